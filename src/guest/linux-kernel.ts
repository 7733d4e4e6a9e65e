import { IommuError } from "../base/errors.ts";

/**
 * What one version of Linux does as a guest where others differ. Code asks for a trait by name.
 *
 * @public
 */
export interface LinuxKernel {
  readonly name: string;
  /** The first device of a bridge asks at its set-up what windows there may be (LINUX-SETUP-2). */
  readonly queriesAtSetup: boolean;
  /**
   * Masks of 33 to 63 bits lead to the window routine, too, which asks for a limited address space, and each attempt
   * prints its result (LINUX-DDW-4). Otherwise only a mask of 64 bits does.
   */
  readonly limitedAddressing: boolean;
  /** A window that exists counts as direct if it is large enough, whatever it is used for (LINUX-DDW-5). */
  readonly directBySize: boolean;
  /** The end of memory counts for the size of a window, not only what `ibm,lrdr-capacity` says (LINUX-DDW-2). */
  readonly sizeCoversMemory: boolean;
  /** A device with a direct window gets a limit of its bus; its maps decide by that (LINUX-LIMIT-1). */
  readonly alwaysLimitsBus: boolean;
  /** Memory that is added is mapped in windows that do not map directly, too (LINUX-HOTPLUG-1). */
  readonly hotplugIntoEveryWindow: boolean;
  /** After kexec the table is built over the default window, though a window of Linux's own exists (LINUX-KEXEC-1). */
  readonly kexecKeepsDefaultWindow: boolean;
  /** Drivers that Debian builds into this kernel: they come before all modules. */
  readonly builtInDrivers: readonly string[];
}

const LINUX_6_1: LinuxKernel = {
  name: "linux-6.1",
  queriesAtSetup: false,
  limitedAddressing: false,
  directBySize: true,
  sizeCoversMemory: true,
  alwaysLimitsBus: false,
  hotplugIntoEveryWindow: true,
  kexecKeepsDefaultWindow: false,
  builtInDrivers: [],
};

const LINUX_6_12: LinuxKernel = {
  ...LINUX_6_1,
  name: "linux-6.12",
  queriesAtSetup: true,
  limitedAddressing: true,
  directBySize: false,
  sizeCoversMemory: false,
  hotplugIntoEveryWindow: false,
};

/**
 * The kernels by name, oldest first.
 *
 * @public
 */
export const LINUX_KERNELS: Readonly<Record<string, LinuxKernel>> = {
  "linux-6.1": LINUX_6_1,
  "linux-6.12": LINUX_6_12,
  "linux-7.2": {
    ...LINUX_6_12,
    name: "linux-7.2",
    alwaysLimitsBus: true,
    kexecKeepsDefaultWindow: true,
    builtInDrivers: ["virtio_pci"],
  },
};

/**
 * The kernel of a name such as `linux-6.12`, or of a version such as `6.12.107+deb13-powerpc64le`: the newest that is
 * not newer.
 *
 * @throws IommuError BAD_ARGUMENT for what is neither, or older than all
 * @public
 */
export function findKernel(text: string): LinuxKernel {
  const version = /^(?:linux-)?(\d+)\.(\d+)/.exec(text);
  const numberOf = (major: string, minor: string): number => Number(major) * 1000 + Number(minor);
  const names = Object.keys(LINUX_KERNELS);
  const wanted = version === null ? -1 : numberOf(version[1]!, version[2]!);
  const fitting = names.filter((name) => {
    const [, major, minor] = /(\d+)\.(\d+)$/.exec(name)!;
    return numberOf(major!, minor!) <= wanted;
  });
  const found = fitting.at(-1);
  if (found !== undefined) return LINUX_KERNELS[found]!;
  throw new IommuError("BAD_ARGUMENT", `no kernel "${text}": there are ${names.join(", ")}`, { name: text });
}
