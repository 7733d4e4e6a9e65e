#!/usr/bin/env bash
# Fetches another QEMU than the system's, of a pinned version, into a folder of its own: without root, from Debian's
# packages, which `debian-packages.sh` unpacks.
#
#   scripts/fetch-qemu.sh 11.1 FOLDER
#   npm run test:qemu -- --qemu FOLDER/qemu-system-ppc64
#
# Of a version with vfio-user devices it takes the PC's program, too, which lies beside the pSeries one.
set -euo pipefail
source "$(dirname "$0")/debian-packages.sh"

[ $# = 2 ] || fail "usage: scripts/fetch-qemu.sh 10.0|11.1 FOLDER"
case $1 in
  10.0)
    suites=(trixie)
    version=1:10.0.13+ds-0+deb13u1
    packages=("qemu-system-ppc $version c4802b8dcf26d35a74d9206520a6779890e2d92e229c0ebe1348b26c324dbfd2")
    programs=(qemu-system-ppc64)
    ;;
  11.1)
    suites=(trixie trixie-backports)
    version=1:11.1.3+ds-1~bpo13+1
    packages=(
      "qemu-system-ppc $version e0e455a308816a7f3d4876cec1d896fe2711404e45988afe8855d761718e728a"
      "qemu-system-x86 $version 447decc4b3c245edc1d0940bdf97c87e07b2e3bd4b24c4d0c7155d860d52bd5f"
    )
    programs=(qemu-system-ppc64 qemu-system-x86_64)
    ;;
  *) fail "version $1: must be 10.0 or 11.1" ;;
esac
folder=$2
[ ! -e "$folder" ] || fail "$folder is there already"

without=()
unpack_packages
for program in "${programs[@]}"; do
  # Where its modules are is compiled in: there it would find those of the system's QEMU, and end, as soon as somebody asks
  # it for all that it has (libvirt does so).
  replace_path "usr/bin/$program" /usr/lib/x86_64-linux-gnu/qemu /no-such/x86_64-linux-gnu/qemu
  make_program "$program" "usr/bin/$program" '-L "$here/usr/share/qemu"' \
    'export QEMU_MODULE_DIR="$here/usr/lib/x86_64-linux-gnu/qemu"'
done
move_root "$folder"
"$folder/qemu-system-ppc64" --version | head -n 1
