import { IommuError } from "../../base/errors.ts";
import { freeSlot, type MachineDescription, type MachineStep } from "./machine-description.ts";
import { machineOfCommandLine } from "./qemu-command-line.ts";

/** What lies beside a recording of a boot: a JSON file with the command line, the guest's kernel, and what was done. */
interface Sidecar {
  readonly command_line?: unknown;
  readonly qemu?: unknown;
  readonly guest_kernel?: unknown;
  readonly guest_command_line?: unknown;
  readonly steps?: unknown;
}

/** Programs in a guest that make and remove windows by themselves. */
const WINDOW_USERS = /\bvfio[-_]pci\b|\bvfio_iommu_spapr_tce\b/;

/**
 * The machine of a recording, from the JSON beside it.
 *
 * @param text the JSON
 * @returns undefined if it is JSON of something else
 * @throws IommuError BAD_ARGUMENT for a machine that cannot be
 * @public
 */
export function machineOfSidecar(text: string): MachineDescription | undefined {
  let sidecar: Sidecar;
  try {
    sidecar = JSON.parse(text) as Sidecar;
  } catch {
    return undefined;
  }
  const { command_line: commandLine, qemu, guest_kernel: kernel, guest_command_line: append } = sidecar ?? {};
  if (typeof commandLine !== "string") return undefined;
  const machine = machineOfCommandLine(commandLine);
  const kernelCommandLine = typeof append === "string" ? append : machine.kernelCommandLine;
  return {
    ...machine,
    qemuVersion: typeof qemu === "string" ? /\d+\.\d+(\.\d+)?/.exec(qemu)?.[0] : undefined,
    cpuPageSize: typeof kernel === "string" ? pageSizeOf(kernel) : undefined,
    kernelVersion: typeof kernel === "string" ? kernel.split(" ")[0] : undefined,
    kernelCommandLine,
    // The guests of the recordings load what this word of their command line names.
    modules: /(?:^|\s)mods=(\S+)/.exec(kernelCommandLine)?.[1]?.split(",") ?? [],
    steps: stepsOf(Array.isArray(sidecar.steps) ? (sidecar.steps as unknown[]) : [], machine),
  };
}

/** `6.1.0-47-powerpc64le (Debian 12 ppc64el, 64K pages)`. */
function pageSizeOf(kernel: string): number | undefined {
  const match = /\b(4|64)K pages/.exec(kernel);
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** What was done that windows depend on: `["guest", command]` and `["qmp", command, arguments]`. */
function stepsOf(steps: readonly unknown[], machine: MachineDescription): MachineStep[] {
  const backends = new Map<string, number>();
  const modules = new Set(machine.dimms.map(({ id }) => id));
  const pciDevices = [...machine.pciDevices];
  /** Bridges that were plugged, by name of their bus. */
  const buses = new Map<string, number>();
  return steps.flatMap((step): MachineStep[] => {
    if (!Array.isArray(step) || typeof step[1] !== "string") throw unreadable(step);
    const [who, what, args] = step as [unknown, string, Record<string, unknown> | undefined];
    if (who === "guest") return guestSteps(what);
    if (who !== "qmp" || args === undefined) return [];
    const text = (name: string): string => String(args[name] ?? "");
    if (what === "system_reset") return [{ kind: "reset" }];
    if (what === "object-add" && text("qom-type").startsWith("memory-backend-")) {
      backends.set(text("id"), Number(args.size));
      return [];
    }
    if (what === "device_del") {
      return modules.has(text("id")) ? [{ kind: "unplug-memory", id: text("id") }] : [];
    }
    if (what !== "device_add") return [];
    switch (text("driver")) {
      case "pc-dimm": {
        const bytes = backends.get(text("memdev"));
        if (bytes === undefined) throw unreadable(step);
        modules.add(text("id"));
        return [
          {
            kind: "plug-memory",
            id: text("id"),
            bytes,
            node: args.node === undefined ? undefined : Number(args.node),
          },
        ];
      }
      case "spapr-pci-host-bridge":
        buses.set(`${text("id")}.0`, Number(args.index));
        return [{ kind: "plug-bridge", bridge: { index: Number(args.index) } }];
      default: {
        const bridge = buses.get(text("bus")) ?? bridgeOfBus(text("bus"));
        if (bridge === undefined) return [];
        const neighbours = pciDevices.filter((other) => other.bridge === bridge && other.bus === 0);
        const slot = text("addr") === "" ? freeSlot(neighbours) : Number.parseInt(text("addr"), 16);
        const device = { model: text("driver"), id: text("id"), bridge, bus: 0, slot, functionNumber: 0 };
        pciDevices.push(device);
        return [{ kind: "plug-device", device }];
      }
    }
  });
}

function guestSteps(command: string): MachineStep[] {
  if (/^reboot\b/.test(command)) return [{ kind: "reset" }];
  if (/\/proc\/sysrq-trigger/.test(command) && /^echo c\b/.test(command)) return [{ kind: "crash" }];
  if (/\bkexec\b.*(\s-e\b|\s--exec\b)/.test(command)) return [{ kind: "kexec" }];
  const removed = /\bdrmgr\s+-c\s+phb\s+-r\s+-s\s+"PHB (\d+)"/.exec(command);
  if (removed !== null) return [{ kind: "unplug-bridge", index: Number(removed[1]) }];
  const masks = /\bmodprobe\s+maskdev\s+dev=(\S+)\s+bits=(\d+)\s+cbits=(\d+)/.exec(command);
  if (masks !== null) {
    const bits = (text: string): number | undefined => (text === "0" ? undefined : Number(text));
    return [{ kind: "set-masks", address: masks[1]!, streaming: bits(masks[2]!), coherent: bits(masks[3]!) }];
  }
  return WINDOW_USERS.test(command) && /driver_override|modprobe/.test(command)
    ? [
        {
          kind: "unknown",
          text: "a device is given to VFIO in the guest, which the model does not follow: what comes then is not compared",
        },
      ]
    : [];
}

const bridgeOfBus = (bus: string): number | undefined => {
  const match = /^pci\.(\d+)$/.exec(bus);
  return match === null ? undefined : Number(match[1]);
};

const unreadable = (step: unknown): IommuError =>
  new IommuError("BAD_ARGUMENT", `a step that cannot be read: ${JSON.stringify(step)}`);
