#!/bin/sh
# Seen with lzop 1.04 (Debian 12, lzop 1.04-2), 2026-11-29.
#
# Two lzop files, one behind the other, are unpacked whole, but lzop ends with status 2 and, unless it is quiet, warns of
# "a multipart archive (try option '-N')"; with -N the status is 2 still. gzip ends with 0 for the same. Where something
# that is not packed follows, lzop leaves it away, warns, and ends with status 2, too: with -q, which prints neither
# warning, what is whole and what was left away look the same.
#
# Who unpacks by lzop (an image of libvirt may be packed by it) leaves -q away and looks at which warning it is.
#
# Needs Debian 12 (apt-get, as root, for the download). Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/partial"
apt-get -o Dir::Cache::archives="$folder" -o APT::Sandbox::User=root -qq -y --download-only --reinstall \
  --no-install-recommends install lzop=1.04-2 liblzo2-2 >/dev/null
for package in "$folder"/*.deb; do dpkg -x "$package" "$folder/root"; done
lzop() { LC_ALL=C LD_LIBRARY_PATH="$folder/root/lib/x86_64-linux-gnu:$folder/root/usr/lib/x86_64-linux-gnu" "$folder/root/usr/bin/lzop" "$@"; }

cd "$folder"
seq 1 1000 > lines
lzop -c lines > one.lzo
gzip -c lines > one.gz
cat one.lzo one.lzo > two.lzo
cat one.gz one.gz > two.gz
{ cat one.lzo; echo "not packed"; } > followed.lzo

seen=""
say() { # what it is, and a command that unpacks
  what=$1
  shift
  status=0
  "$@" > out 2> err || status=$?
  line="$what: $(wc -l < out) lines, status $status, $(tr '\n' ' ' < err)"
  echo "$line"
  seen="$seen$status/$(wc -l < out)/$(wc -l < err) "
}
lzop --version | head -1
say "two parts, gzip -dqc" gzip -dqc two.gz
say "two parts, lzop -dc" lzop -dc two.lzo
say "two parts, lzop -dqc" lzop -dqc two.lzo
say "two parts, lzop -dqcN" lzop -dqcN two.lzo
say "one part and a line, lzop -dc" lzop -dc followed.lzo
say "one part and a line, lzop -dqc" lzop -dqc followed.lzo
if [ "$seen" = "0/2000/0 2/2000/1 2/2000/0 2/2000/0 2/1000/1 2/1000/0 " ]; then
  echo "as seen"
else
  echo "not as seen any more"
  exit 1
fi
