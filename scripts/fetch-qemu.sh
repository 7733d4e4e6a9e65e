#!/usr/bin/env bash
# Fetches another QEMU than the system's, of a pinned version, into a folder of its own. It needs no root and installs
# nothing: Debian's packages are taken from the mirror that this machine's apt uses, with apt's own check of signatures,
# and unpacked.
#
#   scripts/fetch-qemu.sh 11.1 FOLDER
#   npm run test:qemu -- --qemu FOLDER/qemu-system-ppc64
#
# Of a version with vfio-user devices it takes the PC's program, too, which lies beside the pSeries one.
set -euo pipefail

fail() {
  echo "fetch-qemu: $*" >&2
  exit 1
}

[ $# = 2 ] || fail "usage: scripts/fetch-qemu.sh 10.0|11.1 FOLDER"
case $1 in
  10.0)
    suites=(trixie)
    version=1:10.0.13+ds-0+deb13u1
    declare -A sha256=(
      [qemu-system-ppc]=c4802b8dcf26d35a74d9206520a6779890e2d92e229c0ebe1348b26c324dbfd2
    )
    ;;
  11.1)
    suites=(trixie trixie-backports)
    version=1:11.1.3+ds-1~bpo13+1
    declare -A sha256=(
      [qemu-system-ppc]=e0e455a308816a7f3d4876cec1d896fe2711404e45988afe8855d761718e728a
      [qemu-system-x86]=447decc4b3c245edc1d0940bdf97c87e07b2e3bd4b24c4d0c7155d860d52bd5f
    )
    ;;
  *) fail "version $1: must be 10.0 or 11.1" ;;
esac
folder=$2
[ ! -e "$folder" ] || fail "$folder is there already"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keys" ] || fail "there is no $keys (Debian's package debian-archive-keyring)"
[ "$(dpkg --print-architecture)" = amd64 ] || fail "the checksums are those of amd64"

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -n 1)
[ -n "$mirror" ] || fail "apt knows no mirror of Debian here: is it set up, and was apt-get update run?"

# An apt of our own, which knows nothing of what is installed.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,archives}/partial "$work/parts" "$work/root"
: >"$work/status"
for suite in "${suites[@]}"; do echo "deb [signed-by=$keys] $mirror $suite main"; done >"$work/sources.list"
cat >"$work/apt.conf" <<CONF
Dir::State "$work";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Cache::archives "$work/archives";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/parts";
APT::Sandbox::User "$(id -un)";
CONF
export APT_CONFIG="$work/apt.conf"
quietly() {
  "$@" >"$work/said" 2>&1 || {
    grep -v '^Get:' "$work/said" | tail -n 5 >&2
    return 1
  }
}
quietly apt-get update --error-on=any || fail "the lists of ${suites[*]} cannot be had from this machine's mirror"
packages=("${!sha256[@]}")
quietly apt-get install -y -d --no-install-recommends -t "${suites[-1]}" "${packages[@]/%/=$version}" || {
  there=$(apt-cache madison qemu-system-ppc | cut -d '|' -f 2 | xargs)
  fail "QEMU $version cannot be had from ${suites[*]}, which have: ${there:-none}"
}
for package in "${packages[@]}"; do
  echo "${sha256[$package]}  $(ls "$work/archives/${package}"_*.deb)" | sha256sum --check --quiet ||
    fail "$package $version is not the one that this script names"
done

for package in "$work"/archives/*.deb; do dpkg-deb -x "$package" "$work/root"; done
for program in qemu-system-ppc64 qemu-system-x86_64; do
  [ -e "$work/root/usr/bin/$program" ] || continue
  cat >"$work/root/$program" <<RUN
#!/bin/sh
# QEMU with the libraries that lie beside it.
here=\$(dirname "\$(readlink -f "\$0")")
exec "\$here/usr/lib64/ld-linux-x86-64.so.2" --library-path "\$here/usr/lib/x86_64-linux-gnu" \\
  "\$here/usr/bin/$program" -L "\$here/usr/share/qemu" "\$@"
RUN
  chmod +x "$work/root/$program"
done
mkdir -p "$(dirname "$folder")"
mv "$work/root" "$folder"
"$folder/qemu-system-ppc64" --version | head -n 1
