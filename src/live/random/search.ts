import { KnownDifferences } from "../../formats/known-differences.ts";
import { type OpScript, parseOpScript } from "../../formats/op-script/script.ts";
import { operationOf } from "../../script/op/recording.ts";
import { askOracle, isMismatch, type OracleOutcome, type OracleReport } from "../oracle.ts";
import type { QemuProgram } from "../qemu-program.ts";
import type { RunLimits } from "../real-qemu.ts";
import type { RawOperation } from "./ddw-calls.ts";
import { randomScript } from "./script.ts";
import { shrinkList, simplifyItems } from "./simplify.ts";

/** Operations of one machine; then a fresh one is started, with other bridges. */
const OPERATIONS_PER_MACHINE = 800;
/** Every so many machines, devices do DMA. */
const DMA_EVERY = 4;

/**
 * Compares a script with the other side; {@link askOracle} with all but the script.
 *
 * @public
 */
export type Oracle = (script: OpScript) => Promise<OracleReport>;

/**
 * What a random search is to do.
 *
 * @public
 */
export interface SearchOptions {
  readonly operations: number;
  readonly seed: number;
  readonly profile: string;
  /** Called after each machine, with the operations done so far. */
  readonly onProgress?: (done: number, machines: number) => void;
  /** Called when a difference was found, before it is shrunk, and after each smaller script that differs, too. */
  readonly onShrink?: (operations: number) => void;
}

/**
 * What a random search found.
 *
 * @public
 */
export interface SearchResult {
  /** Operations that were compared. */
  readonly operations: number;
  readonly machines: number;
  /** The smallest script that still differs; undefined if none was found. */
  readonly difference: OracleReport | undefined;
}

/**
 * Compares random scripts with the oracle until one differs, or enough agree.
 *
 * @public
 */
export async function searchDifference(oracle: Oracle, options: SearchOptions): Promise<SearchResult> {
  const { profile } = options;
  let operations = 0;
  let machines = 0;
  while (operations < options.operations) {
    const wanted = Math.min(OPERATIONS_PER_MACHINE, options.operations - operations);
    // Seeds of machines are far apart, so that neighbouring seeds share none.
    const seed = (Math.imul(options.seed, 1_000_003) + machines) | 0;
    const script = randomScript({ seed, operations: wanted, dma: machines % DMA_EVERY === 3, profile });
    const report = await oracle(withProfile(script, profile));
    operations += report.outcomes.length;
    machines++;
    if (report.outcomes.some(isMismatch) || report.notReached > 0) {
      return {
        operations,
        machines,
        difference: await shrinkReport(report, oracle, profile, options.onShrink),
      };
    }
    options.onProgress?.(operations, machines);
  }
  return { operations, machines, difference: undefined };
}

/**
 * The oracle that is real QEMU. Random scripts have no known differences.
 *
 * @public
 */
export const qemuOracle =
  (qemu: QemuProgram, limits: RunLimits): Oracle =>
  (script) =>
    askOracle(script, qemu, new KnownDifferences([]), limits);

/**
 * The same script for a machine of another profile.
 *
 * @public
 */
export const withProfile = (script: OpScript, profile: string): OpScript => ({
  ...script,
  config: { ...script.config, profile },
});

/** Makes the script of a report as small as it gets while it still differs. */
export async function shrinkReport(
  report: OracleReport,
  oracle: Oracle,
  profile: string,
  onShrink: (operations: number) => void = () => {},
): Promise<OracleReport> {
  const { script } = report;
  let smallest = report;
  const failsOn = async (header: RawOperation, operations: readonly RawOperation[]): Promise<boolean> => {
    const text = [header, ...operations].map((value) => JSON.stringify(value)).join("\n");
    const candidate = await oracle(withProfile(parseOpScript(text, script.file), profile));
    if (!differs(candidate)) return false;
    smallest = candidate;
    onShrink(operations.length);
    return true;
  };
  const fails = (operations: readonly RawOperation[]): Promise<boolean> =>
    failsOn(script.header.value, operations);
  const first = report.outcomes.findIndex(isMismatch);
  const upToDifference = script.lines
    .slice(0, first < 0 ? report.outcomes.length : first + 1)
    .map(({ line }) => operationOf(line));
  onShrink(upToDifference.length);
  const fewest = await shrinkList(upToDifference, fails);
  const simplest = await simplifyItems(fewest, simplerOperations, fails);
  const bridges = new Set(simplest.map(({ phb }) => phb));
  const simpler = (header: RawOperation): RawOperation[] => simplerHeaders(header, bridges);
  await simplifyItems([script.header.value], simpler, ([header]) => failsOn(header!, simplest));
  return smallest;
}

/** A header with a bridge less (but the first, and those that `used` names), a property less, or no VIO devices. */
function simplerHeaders(header: RawOperation, used: ReadonlySet<unknown>): RawOperation[] {
  const { phbs, vio, ...rest } = header;
  const bridges = phbs as readonly RawOperation[];
  const forms: RawOperation[] = vio === undefined ? [] : [{ ...rest, phbs }];
  for (const [i, bridge] of bridges.entries()) {
    if (i > 0 && !used.has(bridge.index)) forms.push({ ...header, phbs: bridges.toSpliced(i, 1) });
    for (const key of Object.keys(bridge).filter((name) => name !== "index")) {
      const { [key]: _, ...kept } = bridge;
      forms.push({ ...header, phbs: bridges.with(i, kept) });
    }
  }
  return forms;
}

const differs = (report: OracleReport): boolean => report.outcomes.some(isMismatch) || report.notReached > 0;

/** An operation with a shorter list, fewer pages, or a shorter scan. */
function simplerOperations(operation: RawOperation): RawOperation[] {
  const forms: RawOperation[] = [];
  const { list, count, npages, len } = operation;
  if (Array.isArray(list) && list.length > 1) {
    const npages = typeof operation.npages === "string" ? Number(operation.npages) : list.length;
    for (const length of [1, Math.floor(list.length / 2)]) {
      const shorter = { ...operation, list: list.slice(0, length) };
      forms.push(npages === list.length ? { ...shorter, npages: `0x${length.toString(16)}` } : shorter);
    }
  } else if (typeof npages === "string" && Number(npages) > 1 && list === undefined) {
    const half = BigInt(npages) / 2n;
    forms.push({ ...operation, npages: "0x1" }, { ...operation, npages: `0x${half.toString(16)}` });
  }
  if (typeof count === "number" && count > 1) {
    forms.push({ ...operation, count: 1 }, { ...operation, count: Math.floor(count / 2) });
  }
  if (typeof len === "number" && len > 1) {
    forms.push({ ...operation, len: 1 }, { ...operation, len: Math.floor(len / 2) });
  }
  return forms;
}

/**
 * The line of a script for an outcome, with QEMU's result.
 *
 * @public
 */
export const lineWithTheirs = ({ line, theirs }: OracleOutcome): string =>
  JSON.stringify({ ...operationOf(line), ...(theirs === undefined ? {} : { result: theirs }) });
