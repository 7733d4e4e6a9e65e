#!/bin/sh
# Seen with perf 6.1.192 (Debian 12, linux-perf 6.1.192-2) and files that perf 7.2.13 wrote, 2026-11-28.
#
# perf 6.1 refuses a perf.data file of perf 7.2 ("incompatible file format"), with -v: "file uses a more recent and
# unsupported ABI (16 bytes extra)": in the file form the size of the attributes stands in the head, and more than it
# knows is an error. The same events recorded with `-o -` (the pipe form) it prints, since
# each attribute comes there in a record with a size of its own.
#
# Who keeps a recording for others records to a pipe (`perf record -o - > FILE`), or keeps `perf script` text beside it.
#
# Needs Debian 12 (apt-get, for the download). Exits with 1 if that changes.
set -eu
recordings=$(cd "$(dirname "$0")/../test/corpus/recordings" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -o APT::Sandbox::User=root download linux-perf=6.1.192-2 libtraceevent1=1:1.7.1-1 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
perf="$folder/root/usr/bin/perf"
zcat "$recordings/72-perf.data.gz" > file.data
zcat "$recordings/72-perf-pipe.data.gz" > pipe.data
file=0
"$perf" script -v -i file.data > file.txt 2> file.err || file=$?
pipe=0
"$perf" script -i pipe.data > pipe.txt 2> pipe.err || pipe=$?
reason=$(grep "unsupported ABI" file.err || true)
events=$(grep -c "dma:dma_" pipe.txt || true)
"$perf" --version
echo "the file form: exit status $file, $reason"
echo "the pipe form: exit status $pipe, $events events"
if [ "$file" -ne 0 ] && [ -n "$reason" ] && [ "$pipe" -eq 0 ] && [ "$events" -eq 47 ]; then
  echo "as seen"
else
  echo "not as seen any more"
  exit 1
fi
