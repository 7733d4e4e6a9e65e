#!/bin/sh
# Seen with trace-cmd 3.1.6 (Debian 12) and a trace.dat of version 7 of a machine with two CPUs, 2026-11-30.
#
# `trace-cmd split -C 0` writes a recording without the statistics of the CPUs, and without clock, system, version and
# identity of the recording (the options CPUSTAT, TRACECLOCK, UNAME, VERSION, TRACEID); its list of a buffer's CPUs has CPU 0
# only, while CPUCOUNT stays 2. `trace-cmd report` begins with "cpus=2" for both files.
#
# So a part of one CPU looks like a recording in which only that CPU had events: only the missing statistics, which
# trace-cmd writes of each CPU that it records, show that something may have been taken out.
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
root/usr/bin/trace-cmd split -i trace.dat -o part.dat -C 0 > /dev/null 2>&1
mv part.dat* cpu0.dat
options() { root/usr/bin/trace-cmd dump --options -i "$1" | grep -cE "Option $2," || true; }
described() { options "$1" '(CPUSTAT|TRACECLOCK|UNAME|VERSION|TRACEID)'; }
listed() { root/usr/bin/trace-cmd dump --options -i "$1" | sed -n 's/^\([0-9]*\) \[CPUs\]:.*/\1/p'; }
head_of() { root/usr/bin/trace-cmd report "$1" 2> /dev/null | head -n 1; }
events() { root/usr/bin/trace-cmd report "$1" 2> /dev/null | grep -c "\[$2\]" || true; }
before="$(options trace.dat CPUSTAT) statistics, $(described trace.dat) options in all, $(listed trace.dat) CPUs listed"
after="$(options cpu0.dat CPUSTAT) statistics, $(described cpu0.dat) options in all, $(listed cpu0.dat) CPUs listed"
reports="$(head_of trace.dat) and $(head_of cpu0.dat), $(events trace.dat 000) and $(events cpu0.dat 000) events of CPU 0"
echo "trace-cmd 3.1.6 split -C 0: before: $before; after: $after"
echo "reports: $reports"
if [ "$before" = "2 statistics, 6 options in all, 2 CPUs listed" ] &&
  [ "$after" = "0 statistics, 0 options in all, 1 CPUs listed" ] &&
  [ "$reports" = "cpus=2 and cpus=2, 1249 and 1249 events of CPU 0" ]; then
  echo "as seen"
else
  echo "not as seen any more"
  exit 1
fi
