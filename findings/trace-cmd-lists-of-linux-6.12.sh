#!/bin/sh
# Seen with trace-cmd 3.1.6 and libtraceevent 1.7.1 (Debian 12) and a trace.dat of Linux 6.12.117, 2026-11-28.
#
# `trace-cmd report` cannot print the lists of dma:dma_map_sg and dma:dma_unmap_sg: each of their lines begins with
# [FAILED TO PARSE], and addresses follow as single bytes in hexadecimal (`dma_addrs=ARRAY[00, 00, c0, ff, ...]`). Nothing is
# said on standard error, and the exit status is 0. Of a recording with all dma events, every list is so, and no other line.
#
# Who reads the text has no addresses of lists in a form that a pattern for `dma_addrs={...}` finds: a driver that maps lists
# looks as if it mapped nothing. The file has all numbers.
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
zcat "$recordings/612-load-iommu.dat.gz" > trace.dat
status=0
root/usr/bin/trace-cmd report trace.dat > report.txt 2> errors.txt || status=$?
lists=$(grep -cE "dma_(un)?map_sg: " report.txt || true)
failed=$(grep -cE "dma_(un)?map_sg: +\[FAILED TO PARSE\].*ARRAY\[" report.txt || true)
others=$(grep -v "_sg: " report.txt | grep -c "FAILED TO PARSE" || true)
said=$(wc -c < errors.txt)
echo "trace-cmd 3.1.6: exit status $status, $said bytes on standard error"
echo "$lists lists, $failed of them [FAILED TO PARSE]; $others other lines are"
if [ "$status" -eq 0 ] && [ "$said" -eq 0 ] && [ "$lists" -eq 58 ] && [ "$failed" -eq 58 ] && [ "$others" -eq 0 ]; then
  echo "as seen"
else
  echo "not as seen any more"
  exit 1
fi
