import { PCI_MODELS } from "../../guest/device-models.ts";
import { MAX_PHB_INDEX } from "../../spapr/papr.ts";
import { VIO_TYPE_NAMES } from "../../spapr/vio.ts";
import {
  choice,
  flag,
  list,
  object,
  optional,
  required,
  type Shape,
  size,
  tagged,
  text,
  whole,
} from "../shapes.ts";

/** Memory comes in blocks of 256 MiB. */
const RAM_BLOCK = 1n << 28n;
const MAX_RAM = 1n << 50n;
const U64_MAX = (1n << 64n) - 1n;
const SLOTS = 32;
/** All functions of all slots of all bridges. */
const MAX_DEVICES = (MAX_PHB_INDEX + 1) * SLOTS * 8;
const MAX_STEPS = 1000;
const MAX_NODES = 128;

/** A bridge, with the words of an op script's header. */
export interface OwnBridge {
  readonly index: number;
  readonly ddw: boolean | undefined;
  readonly pgsz: bigint | undefined;
  readonly dmaWinAddr: bigint | undefined;
  readonly dmaWinSize: bigint | undefined;
  readonly dma64WinAddr: bigint | undefined;
}

/** A PCI device. */
export interface OwnDevice {
  readonly model: string;
  readonly id: string | undefined;
  readonly bridge: number | undefined;
  readonly slot: number | undefined;
  readonly function: number | undefined;
}

/** A memory module. */
export interface OwnModule {
  readonly id: string;
  readonly size: bigint;
  readonly node: number | undefined;
}

/** What happens after the boot. */
export type OwnStep =
  | { readonly kind: "reset" | "crash" }
  | { readonly kind: "kexec"; readonly losesWindows: boolean | undefined }
  | ({ readonly kind: "plug-memory" } & OwnModule)
  | { readonly kind: "unplug-memory"; readonly id: string }
  | ({ readonly kind: "plug-bridge" } & OwnBridge)
  | { readonly kind: "unplug-bridge"; readonly index: number }
  | ({ readonly kind: "plug-device" } & OwnDevice)
  | {
      readonly kind: "set-masks";
      readonly address: string;
      readonly streaming: number | undefined;
      readonly coherent: number | undefined;
    };

/** A machine as its file says it. */
export interface OwnMachine {
  readonly ram: bigint;
  readonly maxRam: bigint | undefined;
  readonly memoryNodes: readonly bigint[] | undefined;
  readonly bridges: readonly OwnBridge[] | undefined;
  readonly devices: readonly OwnDevice[] | undefined;
  readonly vio: readonly { readonly type: string; readonly reg: number | undefined }[] | undefined;
  readonly dimms: readonly OwnModule[] | undefined;
  readonly persistentMemory: boolean | undefined;
  readonly accelerator: "tcg" | "kvm" | undefined;
  readonly qemu: string | undefined;
  readonly kernel: string | undefined;
  readonly kernelCommandLine: string | undefined;
  readonly cpuPageSize: "4K" | "64K" | undefined;
  readonly modules: readonly string[] | undefined;
  readonly steps: readonly OwnStep[] | undefined;
}

const ram = size(MAX_RAM, RAM_BLOCK, RAM_BLOCK);
const address = size(U64_MAX);

/** A host bridge, with the words of an op script's header. */
const BRIDGE: Shape<OwnBridge> = object("a bridge", {
  index: required(whole(0, MAX_PHB_INDEX), "0 to 30"),
  ddw: optional(flag, "dynamic windows; default true"),
  pgsz: optional(address, "page sizes of new windows: bit n is a page of 2^n bytes; default: QEMU's"),
  dmaWinAddr: optional(address, "bus address of the default window; default 0"),
  dmaWinSize: optional(address, "bytes of the default window; default 1G"),
  dma64WinAddr: optional(address, "bus address of the other window; default 2^59"),
});

const DEVICE: Shape<OwnDevice> = object("a device", {
  model: required(
    choice([...Object.keys(PCI_MODELS), "vfio-pci"], "model of a PCI device"),
    "name of QEMU's; vfio-pci is a device of the host",
  ),
  id: optional(text(), "a name"),
  bridge: optional(whole(0, MAX_PHB_INDEX), "index of its bridge; default 0"),
  slot: optional(whole(0, SLOTS - 1), "default: the first that is free"),
  function: optional(whole(0, 7), "default 0"),
});

const MODULE: Shape<OwnModule> = object("a memory module", {
  id: required(text(), "a name"),
  size: required(ram, "bytes, a multiple of 256M"),
  node: optional(whole(0, MAX_NODES - 1), "its NUMA node; default 0"),
});

/** What may happen to a machine. */
export const MACHINE_STEP_KINDS: {
  readonly [Kind in OwnStep["kind"]]: Shape<Omit<Extract<OwnStep, { kind: Kind }>, "kind">>;
} = {
  reset: object("reset", {}),
  kexec: object("kexec", {
    losesWindows: optional(flag, "the new kernel's tree has no properties of windows that the old one made"),
  }),
  crash: object("crash", {}),
  "plug-memory": MODULE,
  "unplug-memory": object("unplug-memory", { id: required(text(), "name of a module") }),
  "plug-bridge": BRIDGE,
  "unplug-bridge": object("unplug-bridge", {
    index: required(whole(1, MAX_PHB_INDEX), "of the bridge"),
  }),
  "plug-device": DEVICE,
  "set-masks": object("set-masks", {
    address: required(
      text(/^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/, "an address such as 0000:00:01.0"),
      "0000:00:01.0",
    ),
    streaming: optional(whole(1, 64), "bits; not set if left out"),
    coherent: optional(whole(1, 64), "bits; not set if left out"),
  }),
};
const STEP = tagged("step", MACHINE_STEP_KINDS) as Shape<OwnStep>;

/** A machine of a file of our own, YAML or JSON. */
export const MACHINE_SHAPE: Shape<OwnMachine> = object("a machine", {
  ram: required(ram, "bytes of memory at address 0: 4G, 0x10000000; a multiple of 256M"),
  maxRam: optional(ram, "bytes that it can have with what can be plugged; default: ram"),
  memoryNodes: optional(
    list(size(MAX_RAM, RAM_BLOCK), MAX_NODES),
    "ram by NUMA node, in order of addresses; default: all is one node's",
  ),
  bridges: optional(
    list(BRIDGE, MAX_PHB_INDEX + 1),
    "host bridges, of which the first has index 0; default: that one",
  ),
  devices: optional(list(DEVICE, MAX_DEVICES), "PCI devices"),
  vio: optional(
    list(
      object("a VIO device", {
        type: required(choice(VIO_TYPE_NAMES, "VIO device"), "name of QEMU's"),
        reg: optional(whole(0, 0xffff_ffff), "unit address, which is the LIOBN, too"),
      }),
      64,
    ),
    "virtual I/O devices",
  ),
  dimms: optional(list(MODULE, 256), "memory modules that are there from the start, beside ram"),
  persistentMemory: optional(flag, "is there an NVDIMM? default false"),
  accelerator: optional(choice(["tcg", "kvm"], "accelerator"), "who runs the processors; default tcg"),
  qemu: optional(text(/^[0-9]+\.[0-9]+/, 'a version such as "7.2.22", in quotes'), "version of QEMU"),
  kernel: optional(text(), "version of the guest's Linux, in quotes"),
  kernelCommandLine: optional(text(), "such as disable_ddw"),
  cpuPageSize: optional(choice(["4K", "64K"], "page size"), "pages of the guest's processors; default 64K"),
  modules: optional(list(text(), 100), "modules that the guest loads; default: all that devices need"),
  steps: optional(list(STEP, MAX_STEPS), "what happens after the boot"),
});
