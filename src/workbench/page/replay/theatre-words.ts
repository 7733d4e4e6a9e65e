import { type CostName, RCU_STALL_SECONDS, WATCHDOG_THRESH } from "../../../lab/cost-model.ts";
import { type ActAt, actAt, longestCall, type Stretch } from "../../maths/stage-time.ts";
import type { Act, Story } from "../../stage-protocol.ts";
import { bytesText, countText } from "../words.ts";

/** A time of the guest. */
export const clockText = (seconds: number): string => `${seconds.toFixed(1)} s`;

/** A length, as short as it may be. */
export function lengthText(seconds: number): string {
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(1)} ms`;
  return `${seconds.toFixed(1)} s`;
}

/** What is being done, one word each. */
export const COST_WORDS: Readonly<Partial<Record<CostName, string>>> = {
  pagePinned: "pinning guest memory",
  tceCopied: "copying the table",
  tceWalked: "walking the window",
  runCounted: "going to what is mapped",
  mapCall: "mapping for the device",
  hypercallInQemu: "handling the call",
};

/** What each of them is called. */
const UNITS: Readonly<Partial<Record<CostName, string>>> = {
  pagePinned: "pages",
  tceCopied: "TCEs",
  tceWalked: "TCEs",
  runCounted: "runs",
  mapCall: "map calls",
  hypercallInQemu: "call",
};

export const costWords = (cost: CostName): string => COST_WORDS[cost] ?? cost;

/** What an act does now. */
export function doingText({ name, calls }: Act, { now, done }: ActAt): string {
  if (now === undefined) {
    const longest = calls.length;
    return longest > 1 ? "all calls are over, the guest runs" : "the call is over, the guest runs";
  }
  return `${costWords(now.cost)}: ${progressText(now, done)}${calls.length > 1 && name !== "" ? `, in ${calls[now.call]!.name}` : ""}`;
}

const progressText = ({ count, cost }: Stretch, done: number): string =>
  `${countText(done)} of ${countText(count)} ${UNITS[cost] ?? ""}`;

/** What Linux says of the processors that did not run. */
export function reportsText({ softLockup, rcuStall }: Pick<ActAt, "softLockup" | "rcuStall">): string {
  if (rcuStall) return "RCU stall, soft lockup";
  return softLockup ? "soft lockup" : "";
}

/** One or two sentences on the moment. */
export function captionOf(story: Story, second: number): string {
  const { entries, pageShift, replay, accel, acts } = story;
  const size = bytesText(BigInt(entries) << BigInt(pageShift));
  const [walk] = acts;
  const at = actAt(walk!, second);
  if (second === 0) {
    const who = accel === "tcg" ? "QEMU runs the guest itself (TCG)." : "The kernel runs the guest (KVM).";
    return replay === "new-window"
      ? `${who} A device of the host is attached, and the guest asks for a DMA window of ${size}: ${countText(entries)} TCEs, all empty. VFIO hears of it, and wants to know what is mapped.`
      : `${who} The guest has a DMA window of ${size}, ${countText(entries)} TCEs, and uses ${countText(walk!.found.length)} of them. Now a device of the host is plugged in, and VFIO must map for it what the guest has mapped before.`;
  }
  if (at.now === undefined) return endOf(story);
  const done = acts.filter((act) => actAt(act, second).now === undefined);
  const names = done.map(({ name }) => name.toLowerCase());
  const others = names.length === 0 ? "" : ` Over already: ${names.join(", ")}.`;
  if (at.rcuStall)
    return `For ${RCU_STALL_SECONDS} s no processor of the guest has run, as QEMU holds its big lock: Linux will report an RCU stall when it goes on.${others}`;
  if (at.softLockup)
    return `After ${2 * WATCHDOG_THRESH} s the guest's watchdog calls it a soft lockup.${others}`;
  return `The guest stands still in ${walk!.calls[0]!.name}: ${doingText(walk!, at)}.${others}`;
}

/** What is left to say when all is over. */
function endOf({ acts, replay }: Story): string {
  const [walk, flag, counted, wait] = acts as [Act, Act, Act, Act];
  const times = `The walk stopped the guest for ${lengthText(longestCall(walk))}, the flag for ${lengthText(longestCall(flag))}, counts for ${lengthText(longestCall(counted))}.`;
  if (wait.reachedAfterPut < wait.mappings)
    return `${times} Waiting for the first put leaves the device with ${countText(wait.reachedAfterPut)} of ${countText(wait.mappings)} mappings, for ever.`;
  if (replay === "hotplug") return `${times} The flag is of no use here: the window was not just created.`;
  return `${times} Whoever waits for the first put walks then, or never.`;
}
