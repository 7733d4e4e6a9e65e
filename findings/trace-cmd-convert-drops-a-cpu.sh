#!/bin/sh
# Seen with trace-cmd 3.1.6 (Debian 12) and a trace.dat of version 7 that trace-cmd 3.3.1 wrote on four CPUs, 2026-11-29.
#
# `trace-cmd convert` drops all events of CPU 0 (103 of 205), without an error or a warning, and its exit status is 0: what
# it prints are the sizes of what it wrote, "0 bytes" for CPU 0 as for CPU 2, which had no events, so that the recording has
# no data of it. `trace-cmd report` of the same version prints all 205 of the original.
#
# Who converts a recording for an older tool, or to pack it, compares the number of lines of both reports first.
#
# Needs Debian 12 (apt-get, for the download). Exits with 1 if that changes.
set -eu
recordings=$(cd "$(dirname "$0")/../test/corpus/recordings" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -o APT::Sandbox::User=root download trace-cmd=3.1.6-1 libtracecmd1=3.1.6-1 libtracefs1=1.6.4-1 \
  libtraceevent1=1:1.7.1-1 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
zcat "$recordings/72-smp4-two-buffers.dat.gz" > trace.dat
status=0
root/usr/bin/trace-cmd convert -i trace.dat -o converted.dat > /dev/null 2> errors.txt || status=$?
said=$(grep -ciE "error|warn|fail|lost|drop|miss" errors.txt || true)
events() { root/usr/bin/trace-cmd report "$1" 2> /dev/null | grep -c "\[$2\]" || true; }
before=$(events trace.dat '00[0-9]')
of0=$(events trace.dat 000)
after=$(events converted.dat '00[0-9]')
of0after=$(events converted.dat 000)
echo "trace-cmd 3.1.6 convert: exit status $status, $said lines of an error or a warning"
echo "before: $before events, $of0 of CPU 0; after: $after, $of0after of CPU 0"
if [ "$status" -eq 0 ] && [ "$said" -eq 0 ] && [ "$before" -eq 205 ] && [ "$of0" -eq 103 ] &&
  [ "$after" -eq 102 ] && [ "$of0after" -eq 0 ]; then
  echo "as seen"
else
  echo "not as seen any more"
  exit 1
fi
