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

/** Others of that list: what stands behind a controller, which does the DMA, or does none. */
const ELSEWHERE = new Set(
  (
    "adb-keyboard adb-mouse at24c-eeprom ccid-card-emulated ccid-card-passthru ds1338 floppy guest-loader " +
    "hda-duplex hda-micro hda-output i2c-ddc ide-cd ide-hd ipmi-bmc-extern ipmi-bmc-sim ipoctal232 loader m41t80 " +
    "nvme-ns nvme-subsys scsi-block scsi-cd scsi-generic scsi-hd sd-card spapr-rng spapr-tpm-proxy " +
    "tpm-spapr u2f-passthru usb-audio usb-bot usb-braille usb-ccid usb-host usb-hub usb-kbd usb-mouse usb-mtp " +
    "usb-net usb-redir usb-serial usb-storage usb-tablet usb-uas usb-wacom-tablet virtconsole virtserialport"
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

/** Is it known to take no slot of a PCI bus, and to do no DMA of its own? */
export const isElsewhere = (model: string): boolean =>
  ELSEWHERE.has(model) || model.endsWith("-spapr-cpu-core");

/** Has it a bus behind it? */
export const isPciBridge = (model: string): boolean => BRIDGES.has(model);
