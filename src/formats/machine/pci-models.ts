/**
 * Which of QEMU's models are PCI devices: each takes a slot of its bus, whether anything is known of its driver or not.
 *
 * @module
 */

/** `-device help` of QEMU 7.2 and 10.0 for ppc64, what stands behind `bus PCI`. */
const NAMES = new Set(
  (
    "dec-21154-p2p-bridge i82378 i82801b11-bridge ioh3420 macio-newworld macio-oldworld pci-bridge pci-bridge-seat " +
    "pcie-pci-bridge pcie-root-port x3130-upstream xio3130-downstream ich9-usb-ehci1 ich9-usb-ehci2 ich9-usb-uhci1 " +
    "ich9-usb-uhci2 ich9-usb-uhci3 ich9-usb-uhci4 ich9-usb-uhci5 ich9-usb-uhci6 nec-usb-xhci pci-ohci piix3-usb-uhci " +
    "piix4-usb-uhci qemu-xhci usb-ehci am53c974 dc390 ich9-ahci lsi53c810 lsi53c895a megasas megasas-gen2 mptsas1068 " +
    "nvme pvscsi sdhci-pci sii3112 ufs vhost-scsi-pci vhost-user-blk-pci vhost-user-fs-pci vhost-user-scsi-pci " +
    "virtio-9p-pci virtio-blk-pci virtio-scsi-pci e1000 e1000-82544gc e1000-82545em e1000e i82550 i82551 i82557a " +
    "i82557b i82557c i82558a i82558b i82559a i82559b i82559c i82559er i82562 i82801 igb ne2k_pci pcnet pvrdma rocker " +
    "rtl8139 sungem tulip virtio-net-pci vmxnet3 pci-serial pci-serial-2x pci-serial-4x tpci200 vhost-user-gpio-pci " +
    "vhost-user-i2c-pci vhost-user-input-pci vhost-user-rng-pci virtio-input-host-pci virtio-keyboard-pci " +
    "virtio-mouse-pci virtio-serial-pci virtio-tablet-pci ati-vga bochs-display cirrus-vga secondary-vga sm501 VGA " +
    "vhost-user-gpu-pci virtio-gpu-gl-pci virtio-gpu-pci virtio-gpu-rutabaga-pci virtio-vga vmware-svga AC97 ES1370 " +
    "ich9-intel-hda intel-hda virtio-sound-pci acpi-erst ctucan_pci edu ivshmem-doorbell ivshmem-plain kvaser_pci " +
    "mioe3680_pci pci-testdev pcm3680_pci pvpanic-pci vfio-pci vfio-pci-nohotplug vfio-user-pci vhost-user-vsock-pci " +
    "vhost-vsock-pci virtio-balloon-pci virtio-crypto-pci virtio-iommu-pci virtio-mem-pci virtio-pmem-pci " +
    "virtio-rng-pci i6300esb vhost-vdpa-device-pci"
  ).split(" "),
);

/** The others of that list, of 7.2, but for what is handled as part of the machine: no slot of a PCI bus, and no DMA of their own. */
const ELSEWHERE = new Set(
  (
    "adb-keyboard adb-mouse adlib at24c-eeprom ccid-card-emulated ccid-card-passthru cs4231a ds1338 eTSEC floppy " +
    "guest-loader gus hda-duplex hda-micro hda-output i2c-ddc i8042 i82374 ib700 ide-cd ide-hd ipmi-bmc-extern " +
    "ipmi-bmc-sim ipoctal232 isa-fdc isa-ide isa-ipmi-bt isa-m48t59 isa-parallel isa-serial loader m41t80 " +
    "mc146818rtc ne2k_isa nvdimm nvme-ns nvme-subsys pc-dimm pc-testdev pnv-phb prep-systemio rs6000-mc sb16 " +
    "scsi-block scsi-cd scsi-generic scsi-hd sd-card spapr-nvdimm spapr-rng spapr-tpm-proxy spapr-vlan spapr- " +
    "vscsi spapr-vty tpm-spapr u2f-passthru usb-audio usb-bot usb-braille usb-ccid usb-host usb-hub usb-kbd usb- " +
    "mouse usb-mtp usb-net usb-redir usb-serial usb-storage usb-tablet usb-uas usb-wacom-tablet vfio-amd-xgbe " +
    "vfio-calxeda-xgmac vfio-platform vhost-scsi vhost-user-blk vhost-user-fs-device vhost-user-gpio-device " +
    "vhost-user-gpu vhost-user-i2c-device vhost-user-input vhost-user-rng vhost-user-scsi vhost-user-vsock-device " +
    "vhost-vsock-device virtconsole virtio-9p-device virtio-balloon-device virtio-blk-device virtio-crypto-device " +
    "virtio-gpu-device virtio-gpu-gl-device virtio-input-host-device virtio-iommu-device virtio-keyboard-device " +
    "virtio-mouse-device virtio-net-device virtio-rng-device virtio-scsi-device virtio-serial-device virtio- " +
    "tablet-device virtserialport"
  ).split(" "),
);

/** Short names, and the models that they mean on a machine with PCI. */
const ALIASES: Readonly<Record<string, string>> = {
  ahci: "ich9-ahci",
  "e1000-82540em": "e1000",
  lsi: "lsi53c895a",
  "virtio-9p": "virtio-9p-pci",
  "virtio-balloon": "virtio-balloon-pci",
  "virtio-blk": "virtio-blk-pci",
  "virtio-gpu": "virtio-gpu-pci",
  "virtio-keyboard": "virtio-keyboard-pci",
  "virtio-mouse": "virtio-mouse-pci",
  "virtio-net": "virtio-net-pci",
  "virtio-rng": "virtio-rng-pci",
  "virtio-scsi": "virtio-scsi-pci",
  "virtio-serial": "virtio-serial-pci",
  "virtio-tablet": "virtio-tablet-pci",
};

/** Bridges with a bus of their own behind them. */
const BRIDGES = new Set([
  "pci-bridge",
  "pci-bridge-seat",
  "dec-21154-p2p-bridge",
  "i82801b11-bridge",
  "pcie-pci-bridge",
  "pcie-root-port",
  "ioh3420",
]);

/** The model that a name means: without what only says which virtio it speaks. */
export function pciModelOf(name: string): string {
  const plain = name.replace(/-(non-)?transitional$/, "");
  return ALIASES[plain] ?? plain;
}

/** Is it a PCI device? */
export const isPciModel = (model: string): boolean => NAMES.has(model);

/** Is it known to stand on no PCI bus? */
export const isElsewhere = (model: string): boolean =>
  ELSEWHERE.has(model) || model.endsWith("-spapr-cpu-core");

/** Has it a bus behind it? */
export const isPciBridge = (model: string): boolean => BRIDGES.has(model);
