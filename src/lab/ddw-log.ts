import { hex64 } from "../base/u64.ts";
import { formatCount, formatSize } from "../base/units.ts";
import { OfferedWindows } from "../check/linux/refused-window.ts";
import type { KernelEvent, KernelStatement } from "../formats/trace/kernel-event.ts";
import { DmaLogReader } from "../formats/trace/linux-dma-log.ts";
import type { PlanNote } from "./plan-note.ts";

type Said<T extends KernelStatement["type"]> = Extract<KernelStatement, { readonly type: T }>;

/**
 * What a guest's kernel said of its windows.
 *
 * @public
 */
export interface DdwLog {
  /** Lines of the log that tell of windows. */
  readonly lines: number;
  readonly notes: readonly PlanNote[];
}

/**
 * Explains what the kernel log of a guest says of its DMA windows: which it got, why others were refused, and what would
 * help. A refused call is made again on a machine of ours, whose rule is named.
 *
 * @param text of `dmesg`, or of a console; times and other prefixes may be there
 * @public
 */
export function explainDdwLog(text: string): DdwLog {
  const notes: PlanNote[] = [];
  const offers = new OfferedWindows();
  let lines = 0;
  let failed = 0;
  const take = ({ what }: KernelEvent): void => {
    switch (what.type) {
      case "windows-offered":
        offers.offered(what);
        break;
      case "window-asked":
        notes.push(...notesOfCreate(what, offers));
        break;
      case "window-trouble":
        notes.push(noteOfTrouble(what));
        break;
      case "alloc-failed":
        if (++failed === 1) notes.push(noteOfFull(what));
        break;
      default:
        return;
    }
    lines++;
  };
  const reader = new DmaLogReader(() => {}, take);
  reader.push(new TextEncoder().encode(`${text}\n`));
  reader.end();
  if (failed > 1)
    notes.push({ severity: "warning", text: `${formatCount(failed)} maps failed in all`, rules: [] });
  return { lines, notes };
}

function noteOfTrouble({ trouble, device, limit }: Said<"window-trouble">): PlanNote {
  const who = device ?? "a device";
  switch (trouble) {
    case "unlimited":
      return {
        severity: "warning",
        text: `${who}: its mask has 33 to 63 bits, and the machine cannot limit addresses; no device behind this bridge gets a window now. A device with 64 bits that is to have one should be behind another bridge, or be the first one to be probed`,
        rules: ["LINUX-DDW-4", "LINUX-DDW-5"],
      };
    case "limited":
      // A limit of no window: what is added to addresses is 0.
      return limit < 1n << 59n
        ? {
            severity: "error",
            text: `${who}: direct DMA up to ${hex64(limit)} without a window: buffers are taken for directly mapped, and are never unmapped or not mapped at all. The window was refused before; give the guest one, or write disable_ddw on its command line`,
            rules: ["LINUX-DDW-6", "LINUX-LIMIT-1"],
          }
        : { severity: "info", text: `${who}: direct DMA up to ${hex64(limit)}`, rules: ["LINUX-LIMIT-1"] };
    case "offset":
      return {
        severity: "error",
        text: `${who}: its mask does not reach the only window that is left, as after kexec; the driver gives up`,
        rules: ["LINUX-MASK-1", "LINUX-KEXEC-1"],
      };
    case "in-use":
      return {
        severity: "warning",
        text: `${who}: the bridge has no second window, and the default one is in use: there is no other`,
        rules: ["LINUX-DDW-2"],
      };
    case "disabled":
      return { severity: "info", text: "disable_ddw: the guest asks for no windows", rules: [] };
  }
}

const noteOfFull = ({ device, pages }: Said<"alloc-failed">): PlanNote => ({
  severity: "error",
  text: `${device ?? "a device"}: no ${formatCount(pages)} free entries in a row in its window: it is full or fragmented, or a driver does not unmap. \`check\` of a trace tells which`,
  rules: ["LINUX-TABLE-2", "LINUX-TABLE-3"],
});

/** The window that a guest got, or why it was refused. */
function notesOfCreate(asked: Said<"window-asked">, offers: OfferedWindows): PlanNote[] {
  const { device, pageShift, windowShift, status, busOffset } = asked;
  const pageText = `pages of ${formatSize(2 ** pageShift)}`;
  if (status === 0) {
    const text = `${device}: a window of ${formatSize(2 ** windowShift)} with ${pageText} at ${hex64(busOffset)}`;
    return [{ severity: "info", text, rules: ["LINUX-DDW-2"] }];
  }
  const again = offers.refusalOf(asked);
  const why = again === undefined ? "a rule that is not known here" : again.rule;
  const notes: PlanNote[] = [
    {
      severity: "warning",
      text: `${device}: a window of 2^${windowShift} bytes with ${pageText} was refused with ${status}: ${why}`,
      rules: again === undefined ? [] : [again.id],
    },
  ];
  if (windowShift === 0) {
    notes.push({
      severity: "warning",
      text: "the guest does not know how much memory there can be, and asks for a window of 1 byte: give the machine slots for memory (-m SIZE,slots=1,maxmem=MORE), or use QEMU 10.0 or later",
      rules: ["QEMU-TREE-4", "LINUX-DDW-2"],
    });
  } else if (windowShift - pageShift >= 32) {
    notes.push({
      severity: "warning",
      text: `2^${windowShift - pageShift} entries are too many: larger pages need fewer (pgsz of the bridge, such as 0x1211000)`,
      rules: ["QEMU-CREATE-4"],
    });
  }
  return notes;
}
