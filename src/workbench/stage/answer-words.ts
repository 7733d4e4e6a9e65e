import { type Permission, permText } from "../../base/permission.ts";
import { counted, formatCount, formatSize } from "../../base/units.ts";
import type { Operation } from "../../formats/op-script/operation.ts";
import type { OpResult } from "../../script/op/result.ts";
import { hStatusName, RtasStatus } from "../../spapr/papr.ts";

/** What came of an operation, for people. */
export interface AnswerWords {
  readonly isRefused: boolean;
  readonly answer: string;
}

const done = (answer: string): AnswerWords => ({ isRefused: false, answer });
const refused = (answer: string): AnswerWords => ({ isRefused: true, answer });

const rtasStatusName = (status: number): string =>
  Object.entries(RtasStatus).find(([, value]) => value === status)?.[0] ?? "status";

/** The result of an operation in words. */
export function answerWords({ op }: Operation, result: OpResult): AnswerWords {
  const { ret, status, hret, error, errno, fault, failed, tce, data, value, runs, skipped } = result;
  if (typeof error === "string") return refused(error);
  if (typeof errno === "number" && errno !== 0) return refused(`errno ${errno}`);
  if (typeof ret === "number") {
    const name = ret === 0 ? hStatusName(ret) : `${hStatusName(ret)} (${ret})`;
    if (ret !== 0) return refused(name);
    return done(typeof tce === "string" ? `${name}, ${tce}` : name);
  }
  if (typeof status === "number") {
    const name = `${rtasStatusName(status)} (${status})`;
    return status === 0 ? done(`status 0${cellsText(result)}`) : refused(name);
  }
  if (typeof hret === "number" && hret !== 0) return refused(`${hStatusName(hret)} (${hret})`);
  if (fault === true) return refused("DMA fault");
  if (skipped === true) return refused("not done: no window of the bridge reaches the staging page");
  if (typeof failed === "number")
    return failed === 0 ? done("no call failed") : refused(`${counted(failed, "call")} failed`);
  if (Array.isArray(runs)) return done(counted(runs.length, "stretch", "stretches"));
  if (typeof data === "string") return done(`${formatCount(data.length / 2)} bytes: ${shortened(data, 48)}`);
  if (op === "fdt_prop")
    return typeof value === "string" ? done(shortened(value, 48)) : done("no such property");
  if (fault === false) return done("done");
  return done(op === "note" ? "" : "done");
}

/** Return cells behind the status. */
function cellsText({ rets }: OpResult): string {
  const cells = Array.isArray(rets) ? rets.slice(1) : [];
  const texts = cells.map((cell) => (typeof cell === "number" ? `0x${cell.toString(16)}` : "not written"));
  return texts.length === 0 ? "" : `: ${texts.join(", ")}`;
}

/** A DMA message that a vfio-user device was sent. */
export function messageWords(message: OpResult): string {
  const { dev, msg, iova, size, offset, prot } = message;
  const text = `${dev}: ${msg} ${iova}, ${formatSize(BigInt(String(size)))}`;
  if (offset === undefined) return text;
  return `${text} at ${offset} ${permText((Number(prot) & 3) as Permission)}`;
}

/** A text of at most so many characters. */
export const shortened = (text: string, limit: number): string =>
  text.length <= limit ? text : `${text.slice(0, limit)}… (${formatCount(text.length)} characters)`;
