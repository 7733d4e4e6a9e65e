import { rangeOf } from "../../base/range.ts";
import { hex64 } from "../../base/u64.ts";
import { DirtyLog } from "../dirty-log.ts";
import { RefusedError } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { emptyFrame, type Frame, HEADER_BYTES } from "../protocol/layout.ts";
import {
  DeviceFeature,
  Feature,
  FeatureFlag,
  LoggedRange,
  LoggingReport,
  LoggingStart,
  MigrationData,
  MigrationFlag,
  MigrationStateData,
  MigrationSupport,
} from "../protocol/payloads.ts";
import { invalid, whenQuiet, withBody } from "./answers.ts";
import type { CommandContext, HandlerAnswer } from "./context.ts";

const { GET, SET, PROBE, NUMBER } = FeatureFlag;

/** What can be done with each feature. */
const LOGGING_FEATURES: Readonly<Record<number, number>> = {
  [Feature.DMA_LOGGING_START]: SET,
  [Feature.DMA_LOGGING_STOP]: SET,
  [Feature.DMA_LOGGING_REPORT]: GET,
};
const MIGRATION_FEATURES: Readonly<Record<number, number>> = {
  [Feature.MIGRATION]: GET,
  [Feature.MIG_DEVICE_STATE]: GET | SET,
};

/** Bits of what can be done with a feature; 0 if it is not there. */
function supported({ profile, migration }: CommandContext, number: number): number {
  if (migration !== undefined && MIGRATION_FEATURES[number] !== undefined) return MIGRATION_FEATURES[number];
  const logs = profile.logsWrites || migration !== undefined;
  return (logs ? LOGGING_FEATURES[number] : undefined) ?? 0;
}

/** Device features: migration, and logging of what the device writes. */
export function feature(session: CommandContext, body: Uint8Array): HandlerAnswer | Promise<HandlerAnswer> {
  const { flags, argsz } = DeviceFeature.read(body);
  const data = DeviceFeature.tail(body).slice();
  const number = flags & NUMBER;
  const how = flags & (GET | SET);
  const can = supported(session, number);
  const what = `DEVICE_FEATURE ${number} with flags ${flags}`;
  if (can === 0 || (how & ~can) !== 0 || (flags & ~(NUMBER | GET | SET | PROBE)) !== 0) throw invalid(what);
  const echo = (more: Uint8Array = data): Frame => DeviceFeature.frame({ argsz, flags }, more);
  if ((flags & PROBE) !== 0) return echo();
  if (how !== GET && how !== SET) throw invalid(what);
  if (how === GET) return echo(getFeature(session, number, argsz, data));
  if (number === Feature.MIG_DEVICE_STATE) {
    const { state } = MigrationStateData.read(data);
    return whenQuiet(session, async () => {
      try {
        await session.migration!.set(state);
      } catch (error) {
        throw withBody(session, error, echo());
      }
      return echo();
    });
  }
  if (number === Feature.DMA_LOGGING_START) session.dirtyLog = startLog(data);
  else if (session.dirtyLog === null) throw invalid(`${what}: nothing is logged`);
  else session.dirtyLog = null;
  return echo();
}

/** Data of the reply to a GET. */
function getFeature(session: CommandContext, number: number, argsz: number, data: Uint8Array): Uint8Array {
  const { migration } = session;
  const room = argsz - DeviceFeature.bytes;
  const into = (bytes: number): Uint8Array => {
    if (room < bytes) throw invalid(`DEVICE_FEATURE ${number}: argsz ${argsz}`);
    return new Uint8Array(bytes);
  };
  if (number === Feature.MIGRATION) {
    const all = into(MigrationSupport.bytes);
    const flags = MigrationFlag.STOP_COPY | (migration!.preCopy ? MigrationFlag.PRE_COPY : 0);
    MigrationSupport.write({ flags: BigInt(flags) }, all, 0);
    return all;
  }
  if (number === Feature.MIG_DEVICE_STATE) {
    const all = into(MigrationStateData.bytes);
    MigrationStateData.write({ state: migration!.state, dataFd: NO_FILE }, all, 0);
    return all;
  }
  const report = LoggingReport.read(data);
  const words = new Uint8Array(reportOf(session, report).buffer);
  const all = into(LoggingReport.bytes + words.length);
  LoggingReport.write(report, all, 0);
  all.set(words, LoggingReport.bytes);
  return all;
}

const NO_FILE = 0xffff_ffff;

function reportOf(
  { dirtyLog: log, profile, table }: CommandContext,
  { address, size, pageSize }: { address: bigint; size: bigint; pageSize: bigint },
): BigUint64Array<ArrayBuffer> {
  const what = `DMA_LOGGING_REPORT of ${size} bytes at ${hex64(address)}`;
  if (log === null) throw invalid(`${what}: nothing is logged`);
  if (pageSize !== log.pageSize) throw invalid(`${what}: pages of ${pageSize} bytes`);
  if (profile.logsWrites) return log.report(address, size);
  // Only what a device does by itself is logged, in windows with a file, which are none here.
  const isBase = table.all.some(({ first }) => first === address);
  throw new RefusedError(isBase ? ErrnoNumber.EINVAL : ErrnoNumber.ENOTSUP, what);
}

/** Data of a device that is saved. */
export function migrationRead(session: CommandContext, body: Uint8Array): Frame {
  const { argsz, size } = MigrationData.read(body);
  const { migration, mostAtOnce, profile } = session;
  const what = `MIG_DATA_READ of ${size} bytes with argsz ${argsz}`;
  if (migration === undefined || size > mostAtOnce || argsz < MigrationData.bytes + size) throw invalid(what);
  const data = migration.save(size);
  const length = profile.padsMigrationData ? size : data.length;
  const frame = MigrationData.frameWithRoom({ argsz, size: data.length }, length);
  frame.set(data, HEADER_BYTES + MigrationData.bytes);
  return frame;
}

/** Data of a device that is loaded. */
export function migrationWrite({ migration, mostAtOnce }: CommandContext, body: Uint8Array): Frame {
  const { size } = MigrationData.read(body);
  if (migration === undefined || size > mostAtOnce) throw invalid(`MIG_DATA_WRITE of ${size} bytes`);
  migration.load(MigrationData.tail(body, size).slice());
  return emptyFrame();
}

function startLog(data: Uint8Array): DirtyLog {
  const { pageSize, count } = LoggingStart.read(data);
  LoggingStart.tail(data, count * LoggedRange.bytes);
  const ranges = Array.from({ length: count }, (_, i) => {
    const { address, size } = LoggedRange.read(data, LoggingStart.bytes + i * LoggedRange.bytes);
    return rangeOf(address, size);
  });
  return new DirtyLog(pageSize, ranges);
}
