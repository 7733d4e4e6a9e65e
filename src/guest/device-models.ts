/**
 * What Linux does with a device of a model of QEMU's.
 *
 * @public
 */
export interface DeviceModel {
  /** Name of its node in the device tree, by the class of the device. */
  readonly node: string;
  /** Module that has its driver. */
  readonly module: string;
  /** Name of the driver, as the kernel's log has it. */
  readonly driver: string;
  /** Bits of the masks that the driver sets, in this order; 32 is what every device has, and needs no window. */
  readonly streamingBits: number;
  readonly coherentBits: number;
}

const model = (
  node: string,
  module: string,
  driver: string,
  streaming: number,
  coherent = streaming,
): DeviceModel => ({
  node,
  module,
  driver,
  streamingBits: streaming,
  coherentBits: coherent,
});

const virtio = (node: string): DeviceModel => model(node, "virtio_pci", "virtio-pci", 64);

/**
 * PCI devices of QEMU by the name of their model: masks as recorded (LINUX-MASK-2).
 *
 * @public
 */
export const PCI_MODELS: Readonly<Record<string, DeviceModel>> = {
  nvme: model("nvme", "nvme", "nvme", 64),
  e1000: model("ethernet", "e1000", "e1000", 32),
  "e1000-82544gc": model("ethernet", "e1000", "e1000", 32),
  "e1000-82545em": model("ethernet", "e1000", "e1000", 32),
  e1000e: model("ethernet", "e1000e", "e1000e", 64),
  igb: model("ethernet", "igb", "igb", 64),
  rtl8139: model("ethernet", "8139cp", "8139cp", 64),
  tulip: model("ethernet", "tulip", "tulip", 32),
  "ich9-ahci": model("sata", "ahci", "ahci", 64),
  ahci: model("sata", "ahci", "ahci", 64),
  "qemu-xhci": model("usb", "xhci_pci", "xhci_hcd", 64),
  "nec-usb-xhci": model("usb", "xhci_pci", "xhci_hcd", 64),
  ufs: model("mass-storage", "ufshcd_pci", "ufshcd", 64),
  megasas: model("raid", "megaraid_sas", "megaraid_sas", 63, 32),
  "megasas-gen2": model("raid", "megaraid_sas", "megaraid_sas", 63, 32),
  lsi53c895a: model("scsi", "sym53c8xx", "sym53c8xx", 40, 32),
  "sdhci-pci": model("sd-host-controller", "sdhci_pci", "sdhci-pci", 32),
  "intel-hda": model("multimedia-device", "snd_hda_intel", "snd_hda_intel", 32),
  "virtio-blk-pci": virtio("scsi"),
  "virtio-scsi-pci": virtio("scsi"),
  "virtio-net-pci": virtio("ethernet"),
  "virtio-rng-pci": virtio("unknown-legacy-device"),
  "virtio-balloon-pci": virtio("memory-controller"),
  "virtio-serial-pci": virtio("communication-controller"),
  "virtio-gpu-pci": virtio("display"),
  "virtio-9p-pci": virtio("unknown-legacy-device"),
};
