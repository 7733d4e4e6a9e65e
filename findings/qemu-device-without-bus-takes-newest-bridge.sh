#!/bin/sh
# Seen with QEMU 7.2.22 (Debian 12, qemu-system-ppc 1:7.2+dfsg-7+deb12u18+b3), 2026-11-28.
#
# On a pseries machine with several host bridges a `-device` that names no bus does not go to the first bridge, pci.0, but to
# the bridge that was named last before it; the same option line with the bridge after the device puts it on pci.0. So adding
# a bridge moves devices that stand behind it in the command line into another PCI domain, with another LIOBN.
#
# Who reads a command line must follow the order of its options; who writes one names `bus=` with each device.
#
# Needs Debian 12 (apt-get, as root, for the download). Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/partial"
apt-get -o Dir::Cache::archives="$folder" -o APT::Sandbox::User=root -qq -y --download-only --reinstall \
  --no-install-recommends install "qemu-system-ppc=1:7.2+dfsg-7+deb12u18+b3" qemu-system-common qemu-system-data >/dev/null
for package in "$folder"/*.deb; do dpkg -x "$package" "$folder/root"; done
root="$folder/root/usr"
qemu() { # options: the machine's devices, as its monitor lists them
  { echo "info qtree"; sleep 3; echo quit; } |
    LD_LIBRARY_PATH="$root/lib/x86_64-linux-gnu" timeout 60 "$root/bin/qemu-system-ppc64" -L "$root/share/qemu" \
      -L "$root/share/seabios" -M pseries-7.2 -accel tcg -m 256M -S -nodefaults -display none -vga none -monitor stdio "$@" 2>&1
}
bus() { qemu "$@" | tr -d '\r' | awk '/^ *bus: /{bus=$2} /dev: virtio-rng-pci/{print bus}'; }
after=$(bus -device spapr-pci-host-bridge,index=1,id=second -device virtio-rng-pci)
before=$(bus -device virtio-rng-pci -device spapr-pci-host-bridge,index=1,id=second)
echo "$("$root/bin/qemu-system-ppc64" --version | head -1)"
echo "-device spapr-pci-host-bridge,index=1,id=second -device virtio-rng-pci: on the bus $after"
echo "-device virtio-rng-pci -device spapr-pci-host-bridge,index=1,id=second: on the bus $before"
if [ "$after" = second.0 ] && [ "$before" = pci.0 ]; then echo "as seen"; else echo "not as seen any more"; exit 1; fi
