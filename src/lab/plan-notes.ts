import { hex64 } from "../base/u64.ts";
import { formatCount, formatSize } from "../base/units.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import type { Refusal } from "../spapr/observer.ts";
import { DDW_PAGE_BITS } from "../spapr/papr.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";
import type { HostedMachine } from "../vfio/hosted-machine.ts";
import { TYPE1_MAX_MAPPINGS } from "../vfio/type1-container.ts";
import { QEMU_MEASURED } from "./huge-guest.ts";
import type { LinuxMachine } from "./linux-machine.ts";
import type { PlanNote } from "./plan-note.ts";
import { type PlannedWindow, plannedTables } from "./planned-windows.ts";

/** Below this QEMU's own plug of a device is not worth a word. */
const SLOW_PLUG_SECONDS = 1;

export const note = (severity: PlanNote["severity"], text: string, ...rules: string[]): PlanNote => ({
  severity,
  text,
  rules,
});

/** Devices of which nobody knows what their drivers ask for, with what is taken for it. */
export function notesOfDrivers(models: readonly string[]): PlanNote[] {
  if (models.length === 0) return [];
  const text = `what the drivers of ${models.join(", ")} ask for is not known here: they are assumed to set masks of 64 bits, with which a guest asks for a window`;
  return [note("info", text, "LINUX-MASK-1")];
}

/** Why windows are as they are. */
export function notesOfWindows(description: MachineDescription, events: readonly TraceEvent[]): PlanNote[] {
  const { ramBytes, maxRamBytes, persistentMemory } = description;
  const notes: PlanNote[] = [];
  for (const event of events) {
    if (event.name !== "spapr_iommu_ddw_create") continue;
    const query = events.findLast(
      (other) => other.name === "spapr_iommu_ddw_query" && other.buid === event.buid,
    );
    const offered = query?.name === "spapr_iommu_ddw_query" ? query.pageSizes : 0;
    const larger = DDW_PAGE_BITS.filter(
      ([shift, bit]) => 1n << BigInt(shift) > event.pageSize && (offered & bit) === 0,
    );
    const largerText = larger.map(([shift]) => formatSize(2 ** shift)).join(", ");
    const covers = persistentMemory
      ? "holds all memory and what is persistent"
      : maxRamBytes > ramBytes
        ? "holds all memory, and what can be plugged"
        : "holds all memory";
    notes.push(
      note(
        "info",
        `window ${hex64(event.busOffset)} of bridge ${event.buid & 0xffn}: ${formatSize(event.windowSize)} ${covers}, mapped directly; ` +
          `${formatSize(event.pageSize)} are the largest pages that the bridge offers${largerText === "" ? "" : ` (its pgsz has no ${largerText})`}`,
        "LINUX-DDW-2",
        "LINUX-DDW-1",
        "QEMU-QUERY-2",
      ),
    );
  }
  return notes;
}

/** What becomes of a guest whose window is refused, and what helps. */
export function notesOfRefusals(
  { ramBytes, maxRamBytes }: MachineDescription,
  { kernel }: LinuxMachine,
  refusals: readonly Refusal[],
): PlanNote[] {
  return refusals
    .filter(({ call }) => call === "ibm,create-pe-dma-window")
    .flatMap(({ rule, id }) => {
      const notes = [note("warning", `the guest's window is refused: ${rule}`, id)];
      if (maxRamBytes === ramBytes && !kernel.sizeCoversMemory) {
        notes.push(
          note(
            "warning",
            `${kernel.name} asks for a window of 1 byte, as this QEMU does not say how much memory there can be; -m with slots=1 and a maxmem above the memory, or QEMU 10.0 or later, gives the guest its window`,
            "QEMU-TREE-4",
            "LINUX-DDW-2",
          ),
        );
      }
      const text = kernel.alwaysLimitsBus
        ? `${kernel.name} then takes buffers of a device with a mask of 64 bits for directly mapped: it never unmaps them, or hands out addresses that are not mapped, until the device stops; disable_ddw in the guest's command line keeps it from asking`
        : "devices use the default window: each buffer is mapped and unmapped by a hypercall";
      notes.push(note("warning", text, "LINUX-DDW-6", ...(kernel.alwaysLimitsBus ? ["LINUX-LIMIT-1"] : [])));
      return notes;
    });
}

/** Windows whose host tables have smaller pages than the guest's: these are many times as large. */
export function notesOfTables(hosted: HostedMachine, windows: readonly PlannedWindow[]): PlanNote[] {
  return plannedTables(hosted).flatMap(({ owner, busOffset, pageShift, bytes }) => {
    const window = windows.find((one) => one.owner === owner && one.busOffset === busOffset);
    if (window === undefined || window.pageShift <= pageShift) return [];
    return [
      note(
        "info",
        `the host's table of window ${hex64(busOffset)} of ${owner} has pages of ${formatSize(2 ** pageShift)}, as the guest's memory has, and takes ${formatSize(bytes)}; with memory in huge pages it is up to ${formatCount(2 ** (window.pageShift - pageShift))} times smaller`,
        "QEMU-CONTAINER-5",
      ),
    ];
  });
}

/** What the host makes of it. */
export function notesOfHost(
  hosted: HostedMachine,
  {
    notPlugged,
    fatal,
    passed,
    windows,
  }: {
    readonly notPlugged: readonly string[];
    readonly fatal: readonly string[];
    readonly passed: number;
    readonly windows: readonly PlannedWindow[];
  },
): PlanNote[] {
  const notes: PlanNote[] = [];
  for (const text of notPlugged) notes.push(note("error", `a device cannot be passed through: ${text}`));
  for (const text of [...new Set(fatal)])
    notes.push(note("error", `QEMU stops when the guest does this: ${text}`));
  for (const text of [...new Set(hosted.messages)]) notes.push(note("error", `QEMU says: ${text}`));
  if (passed === 0) return notes;
  const mapped = windows.reduce((sum, window) => sum + window.mapped, 0);
  notes.push(
    note(
      mapped > TYPE1_MAX_MAPPINGS ? "warning" : "info",
      `${formatCount(mapped)} mappings after the boot; on a host with a type1 IOMMU (TCG on another architecture) a container takes ${formatCount(TYPE1_MAX_MAPPINGS)}`,
      "VFIO-IOVA-1",
    ),
  );
  const entries = Math.max(...windows.map((window) => window.entries));
  const [least = 0, most = 0] = QEMU_MEASURED.plugNs.map((ns) => (ns * entries) / 1e9);
  if (most > SLOW_PLUG_SECONDS) {
    notes.push(
      note(
        "warning",
        `plugging a device while the guest runs replays its largest window of ${formatCount(entries)} entries, mapped or not: ${least.toFixed(0)} s to ${most.toFixed(0)} s in QEMU 11.1.3`,
        "QEMU-REPLAY-1",
      ),
    );
  }
  return notes;
}
