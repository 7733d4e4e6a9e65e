#!/bin/sh
# Seen with libvirt 9.0.0 (Debian 12, 9.0.0-4+deb12u2) and QEMU 7.2.22, 2026-11-28.
#
# The command line that `virsh domxml-to-native qemu-argv` makes of a pseries domain has network cards in other PCI slots than
# the domain says: a card with <address ... slot='9'> stands at addr=0x3, while a random-number device keeps its slot 10. The
# domain itself keeps the card's address (`virsh dumpxml` after `define`).
#
# So what a machine's DMA windows see of a card cannot be taken from that command line: read the domain's XML.
#
# Needs Debian 12 (apt-get, as root, for the download). Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/partial"
apt-get -o Dir::Cache::archives="$folder" -o APT::Sandbox::User=root -qq -y --download-only --reinstall \
  --no-install-recommends install "libvirt-clients=9.0.0-4+deb12u2" "libvirt0=9.0.0-4+deb12u2" \
  "libvirt-daemon=9.0.0-4+deb12u2" "libvirt-daemon-driver-qemu=9.0.0-4+deb12u2" \
  "qemu-system-ppc=1:7.2+dfsg-7+deb12u18+b3" qemu-system-common qemu-system-data >/dev/null 2>&1
for package in "$folder"/*.deb; do dpkg -x "$package" "$folder/root"; done
root="$folder/root/usr"
cat > "$folder/domain.xml" <<XML
<domain type='qemu'>
  <name>g</name><memory unit='GiB'>1</memory><vcpu>1</vcpu><os><type arch='ppc64le' machine='pseries'>hvm</type></os>
  <devices>
    <emulator>$root/bin/qemu-system-ppc64</emulator>
    <interface type='user'>
      <mac address='52:54:00:11:22:33'/><model type='e1000'/>
      <address type='pci' domain='0' bus='0' slot='9' function='0'/>
    </interface>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
      <address type='pci' domain='0' bus='0' slot='10' function='0'/>
    </rng>
  </devices>
</domain>
XML
export LD_LIBRARY_PATH="$root/lib/x86_64-linux-gnu" LIBVIRT_DRIVER_DIR="$root/lib/x86_64-linux-gnu/libvirt/connection-driver"
virsh() { timeout 120 "$root/bin/virsh" -q -c "qemu:///embed?root=$folder/libvirt" "$@"; }
options=$(virsh domxml-to-native qemu-argv --xml "$folder/domain.xml")
slot_of() { printf '%s\n' "$options" | sed -n "s/.*\"driver\":\"$1\"[^}]*\"addr\":\"\([^\"]*\)\".*/\1/p"; }
kept=$(virsh "define $folder/domain.xml; dumpxml g" | sed -n "/<interface/,/<\/interface/s/.*slot='\([^']*\)'.*/\1/p")
echo "libvirt $("$root/bin/virsh" --version)"
echo "the domain's card: slot $kept; in the command line of domxml-to-native: $(slot_of e1000)"
echo "the domain's random-number device: slot 0x0a; in that command line: $(slot_of virtio-rng-pci)"
if [ "$kept" = 0x09 ] && [ "$(slot_of e1000)" = 0x3 ] && [ "$(slot_of virtio-rng-pci)" = 0xa ]; then echo "as seen"; else
  echo "not as seen any more"; exit 1
fi
