import type { MachineDescription } from "../../../src/formats/machine/machine-description.ts";

/**
 * What devices QEMU 7.2.22 makes of options, as its `info qtree` lists them (`npm run test:qemu -- machine-devices` asks
 * it again): those on PCI buses by their address, which has the bridge's index and the
 * number of the bus, virtual ones that do DMA as `MODEL@UNIT`.
 */
export const QEMU_DEVICES: readonly (readonly [options: string, devices: readonly string[]])[] = [
  ["", ["0000:00:00.0 VGA", "0000:00:01.0 nec-usb-xhci", "spapr-vlan@71000002", "spapr-vscsi@71000003"]],
  ["-nodefaults", []],
  ["-vga none -net none", ["spapr-vscsi@71000002"]],
  [
    "-nodefaults -serial null -device spapr-vscsi -device spapr-vlan",
    ["spapr-vlan@71000003", "spapr-vscsi@71000002"],
  ],
  [
    "-nodefaults -serial null -serial null -device spapr-vscsi -device spapr-vlan",
    ["spapr-vlan@71000004", "spapr-vscsi@71000003"],
  ],
  [
    "-nodefaults -device spapr-vscsi -device spapr-vty,chardev=c -chardev null,id=c -device spapr-vlan",
    ["spapr-vlan@71000003", "spapr-vscsi@71000001"],
  ],
  ["-nodefaults -serial null -serial none -serial null -device spapr-vlan", ["spapr-vlan@71000002"]],
  [
    "-nodefaults -device spapr-vlan,reg=0x71000001 -device spapr-vscsi",
    ["spapr-vlan@71000001", "spapr-vscsi@71000002"],
  ],
  [
    "-nic user,model=e1000",
    ["0000:00:00.0 e1000", "0000:00:01.0 VGA", "0000:00:02.0 nec-usb-xhci", "spapr-vscsi@71000002"],
  ],
  [
    "-net nic,model=virtio -net user",
    ["0000:00:00.0 virtio-net-pci", "0000:00:01.0 VGA", "0000:00:02.0 nec-usb-xhci", "spapr-vscsi@71000002"],
  ],
  [
    "-netdev user,id=n -device e1000,netdev=n",
    ["0000:00:00.0 VGA", "0000:00:01.0 nec-usb-xhci", "0000:00:02.0 e1000", "spapr-vscsi@71000002"],
  ],
  ["-nodefaults -nic user -nic user,model=rtl8139", ["0000:00:00.0 rtl8139", "spapr-vlan@71000001"]],
  ["-nodefaults -net nic -net user", ["spapr-vlan@71000001"]],
  ["-net user -vga none", ["spapr-vscsi@71000002"]],
  ["-vga none -nic model=ibmveth", ["spapr-vlan@71000002", "spapr-vscsi@71000003"]],
  [
    "-device VGA",
    ["0000:00:00.0 nec-usb-xhci", "0000:00:01.0 VGA", "spapr-vlan@71000002", "spapr-vscsi@71000003"],
  ],
  ["-machine usb=off", ["0000:00:00.0 VGA", "spapr-vlan@71000002", "spapr-vscsi@71000003"]],
  ["-nodefaults -usb", ["0000:00:00.0 nec-usb-xhci"]],
  ["-nodefaults -machine usb=on -vga std", ["0000:00:00.0 VGA", "0000:00:01.0 nec-usb-xhci"]],
  ["-nodefaults -device VGA", ["0000:00:00.0 VGA"]],
  ["-nodefaults -device VGA -usb", ["0000:00:00.0 nec-usb-xhci", "0000:00:01.0 VGA"]],
  ["-vga cirrus -net none", ["0000:00:00.0 cirrus-vga", "0000:00:01.0 nec-usb-xhci", "spapr-vscsi@71000002"]],
  ["-nodefaults -drive file=1.img,format=raw", ["spapr-vscsi@71000001"]],
  ["-vga none -net none -drive file=1.img,format=raw -cdrom 2.img", ["spapr-vscsi@71000002"]],
  ["-nodefaults -hda 1.img", ["spapr-vscsi@71000001"]],
  [
    "-nodefaults -drive file=1.img,format=raw,if=scsi,bus=1",
    ["spapr-vscsi@71000001", "spapr-vscsi@71000002"],
  ],
  ["-nodefaults -drive file=1.img,format=raw,index=9", ["spapr-vscsi@71000001", "spapr-vscsi@71000002"]],
  [
    "-vga none -net none -device spapr-vscsi,id=s -drive file=1.img,if=none,id=d,format=raw -device scsi-hd,drive=d,bus=s.0",
    ["spapr-vscsi@71000002"],
  ],
  [
    "-nodefaults -drive file=1.img,format=raw,if=virtio -device virtio-rng-pci -nic user,model=virtio",
    ["0000:00:00.0 virtio-net-pci", "0000:00:01.0 virtio-rng-pci", "0000:00:02.0 virtio-blk-pci"],
  ],
  [
    "-nodefaults -device usb-ehci -device pci-ohci -device virtio-rng-pci -device i6300esb",
    [
      "0000:00:00.0 usb-ehci",
      "0000:00:01.0 pci-ohci",
      "0000:00:02.0 virtio-rng-pci",
      "0000:00:03.0 i6300esb",
    ],
  ],
  [
    "-nodefaults -device intel-hda -device AC97 -virtfs local,path=.,mount_tag=x,security_model=none",
    ["0000:00:00.0 intel-hda", "0000:00:01.0 AC97", "0000:00:02.0 virtio-9p-pci"],
  ],
  [
    "-nodefaults -device qemu-xhci,addr=3 -device virtio-rng",
    ["0000:00:00.0 virtio-rng-pci", "0000:00:03.0 qemu-xhci"],
  ],
  [
    "-nodefaults -device qemu-xhci,addr=0.0,multifunction=on -device e1000,addr=0.1 -device e1000",
    ["0000:00:00.0 qemu-xhci", "0000:00:00.1 e1000", "0000:00:01.0 e1000"],
  ],
  [
    "-nodefaults -device spapr-pci-host-bridge,index=1,id=zz -device e1000 -device e1000,bus=zz.0",
    ["0001:00:00.0 e1000", "0001:00:01.0 e1000"],
  ],
  [
    "-nodefaults -device pci-bridge,chassis_nr=1 -device e1000,bus=pci.1 -device pci-bridge,chassis_nr=2,id=zz -device e1000,bus=zz",
    ["0000:00:00.0 pci-bridge", "0000:00:01.0 pci-bridge", "0000:01:00.0 e1000", "0000:02:00.0 e1000"],
  ],
  [
    "-nodefaults -device spapr-pci-host-bridge,index=1 -device pci-bridge,chassis_nr=1 -device e1000,bus=pci.2",
    ["0001:00:00.0 pci-bridge", "0001:01:00.0 e1000"],
  ],
];

/** The devices of a description in the same words. */
export const devicesOf = ({ pciDevices, vioDevices }: MachineDescription): string[] =>
  [
    ...pciDevices.map(
      ({ model, bridge, bus, slot, functionNumber }) =>
        `${hex(bridge, 4)}:${hex(bus, 2)}:${hex(slot, 2)}.${functionNumber} ${model}`,
    ),
    ...vioDevices.map(({ type, reg }) => `${type}@${hex(reg!, 8)}`),
  ].sort();

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
