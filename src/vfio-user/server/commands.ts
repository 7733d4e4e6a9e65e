import { rangeOf } from "../../base/range.ts";
import { hex64 } from "../../base/u64.ts";
import { DirtyLog } from "../dirty-log.ts";
import { RefusedError } from "../peer.ts";
import type { PassedFile } from "../protocol/channel.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { emptyFrame, type Frame, HEADER_BYTES, viewOf } from "../protocol/layout.ts";
import { Command } from "../protocol/message.ts";
import { MigrationState } from "../protocol/migration-state.ts";
import {
  Bitmap,
  DeviceFeature,
  DeviceFlag,
  DeviceInfo,
  DmaMap,
  DmaUnmap,
  Feature,
  FeatureFlag,
  IrqInfo,
  LoggedRange,
  LoggingReport,
  LoggingStart,
  MigrationData,
  MigrationFlag,
  MigrationStateData,
  MigrationSupport,
  PciRegion,
  RegionAccess,
  RegionFlag,
  RegionInfo,
  RegionIoFds,
  SmallWrite,
  UnmapFlag,
  WriteMulti,
} from "../protocol/payloads.ts";
import { CONFIG_BYTES } from "./config-space.ts";
import { type CommandContext, type HandlerAnswer, MAX_DATA, NO_ANSWER } from "./context.ts";
import type { BusWindow, MaybePromise } from "./device-model.ts";
import { IRQ_KINDS } from "./interrupts.ts";
import type { KnownWindow, ServerWindows } from "./server-windows.ts";

/**
 * Serves one command from its body, which is there until the handler returns, and the files that came with it. What it
 * throws becomes an error reply.
 */
export type Handler = (
  body: Uint8Array,
  files: readonly PassedFile[],
) => HandlerAnswer | Promise<HandlerAnswer>;

const REGIONS = 9;
const SMALL = 8;
const invalid = (what: string): RefusedError => new RefusedError(ErrnoNumber.EINVAL, what);

/** A handler for each command that a device serves. */
export function commandHandlers(session: CommandContext): ReadonlyMap<number, Handler> {
  const regions = new Regions(session);
  return new Map<number, Handler>([
    [Command.VERSION, () => refuse("VERSION for the second time")],
    [Command.DMA_MAP, (body) => dmaMap(session, body)],
    [Command.DMA_UNMAP, (body) => dmaUnmap(session, body)],
    [Command.DEVICE_GET_INFO, deviceInfo],
    [Command.DEVICE_GET_REGION_INFO, (body) => regions.info(body)],
    [Command.DEVICE_GET_REGION_IO_FDS, (body) => regions.ioFds(body)],
    [Command.DEVICE_GET_IRQ_INFO, (body) => irqInfo(session, body)],
    [Command.DEVICE_SET_IRQS, (body, files) => setIrqs(session, body, files)],
    [Command.REGION_READ, (body) => regions.read(body)],
    [Command.REGION_WRITE, (body) => regions.write(body)],
    [Command.REGION_WRITE_MULTI, (body) => regions.writeMany(body)],
    [Command.DEVICE_RESET, () => reset(session)],
    [Command.DEVICE_FEATURE, (body) => feature(session, body)],
    [Command.MIG_DATA_READ, (body) => migrationRead(session, body)],
    [Command.MIG_DATA_WRITE, (body) => migrationWrite(session, body)],
  ]);
}

const refuse = (what: string): never => {
  throw invalid(what);
};

function dmaMap(session: CommandContext, body: Uint8Array): HandlerAnswer | Promise<HandlerAnswer> {
  const { argsz, flags, offset, address, size } = DmaMap.read(body);
  if (argsz < DmaMap.bytes) throw invalid(`DMA_MAP with argsz ${argsz}`);
  const window = session.table.check(flags, offset, address, size);
  return whenQuiet(session, () => addWindow(session, window));
}

/** Adds a window, which its device may refuse. */
function addWindow(
  { table, device }: CommandContext,
  window: KnownWindow | undefined,
): HandlerAnswer | Promise<HandlerAnswer> {
  if (window === undefined) return emptyFrame();
  table.add(window);
  try {
    const telling = device.mapped?.(window);
    return telling === undefined ? emptyFrame() : whenTold(telling, table, window);
  } catch (error) {
    table.delete(window);
    throw error;
  }
}

async function whenTold(telling: Promise<void>, table: ServerWindows, window: BusWindow): Promise<Frame> {
  try {
    await telling;
  } catch (error) {
    table.delete(window);
    throw error;
  }
  return emptyFrame();
}

/** Does something when the device has come to rest. */
function whenQuiet(
  session: CommandContext,
  act: () => HandlerAnswer | Promise<HandlerAnswer>,
): HandlerAnswer | Promise<HandlerAnswer> {
  const resting = session.quiesce();
  if (resting === undefined) return act();
  return resting.then((answer) => (answer === NO_ANSWER ? NO_ANSWER : act()));
}

function dmaUnmap(session: CommandContext, body: Uint8Array): HandlerAnswer | Promise<HandlerAnswer> {
  const request = DmaUnmap.read(body);
  const { argsz, flags, address, size } = request;
  if (argsz < DmaUnmap.bytes) throw invalid(`DMA_UNMAP with argsz ${argsz}`);
  const all = flags === UnmapFlag.ALL;
  const dirty = flags === UnmapFlag.DIRTY_BITMAP ? dirtyRequest(session, body) : undefined;
  if (flags !== 0 && !all && dirty === undefined) throw invalid(`DMA_UNMAP with flags ${flags}`);
  if (all && (address !== 0n || size !== 0n)) throw invalid("DMA_UNMAP of all with an address or a size");
  const going = all ? [...session.table.all] : [session.table.exactly(address, size)];
  const goOne = (window: BusWindow): MaybePromise => {
    const letGo = session.device.unmapping?.(window);
    if (letGo !== undefined) return letGo.then(() => session.table.delete(window));
    session.table.delete(window);
  };
  const reply = (): Frame => {
    if (dirty === undefined) return DmaUnmap.frame(request);
    const words = new Uint8Array(dirty.log.report(address, size).buffer);
    const tail = new Uint8Array(Bitmap.bytes + words.length);
    Bitmap.write(dirty.bitmap, tail, 0);
    tail.set(words, Bitmap.bytes);
    return DmaUnmap.frame(request, tail);
  };
  return whenQuiet(session, () => {
    const [only] = going;
    if (going.length === 1) return goOne(only!)?.then(reply) ?? reply();
    return (async () => {
      for (const window of going) await goOne(window);
      return reply();
    })();
  });
}

/** What a DMA_UNMAP wants to know of the pages that the device wrote. */
function dirtyRequest(session: CommandContext, body: Uint8Array): { log: DirtyLog; bitmap: ValuesOfBitmap } {
  const { argsz, size } = DmaUnmap.read(body);
  const what = `DMA_UNMAP of ${size} bytes with a dirty bitmap`;
  const { dirtyLog: log, profile } = session;
  if (log === null || !profile.logsWrites) throw invalid(`${what}: nothing is logged`);
  const bitmap = Bitmap.read(body, DmaUnmap.bytes);
  if (bitmap.pageSize !== log.pageSize) throw invalid(`${what}: pages of ${bitmap.pageSize} bytes`);
  const bytes = ((size / log.pageSize + 63n) / 64n) * 8n;
  if (bitmap.size !== bytes || BigInt(argsz) < BigInt(DmaUnmap.bytes + Bitmap.bytes) + bytes) {
    throw invalid(`${what}: ${bitmap.size} bytes of it, of ${bytes}, and argsz ${argsz}`);
  }
  return { log, bitmap };
}

type ValuesOfBitmap = ReturnType<typeof Bitmap.read>;

function deviceInfo(body: Uint8Array): Frame {
  const { argsz } = DeviceInfo.read(body);
  if (argsz < DeviceInfo.bytes) throw invalid(`DEVICE_GET_INFO with argsz ${argsz}`);
  const flags = DeviceFlag.RESET | DeviceFlag.PCI;
  return DeviceInfo.frame({ argsz: DeviceInfo.bytes, flags, regions: REGIONS, irqs: IRQ_KINDS });
}

function irqInfo(session: CommandContext, body: Uint8Array): Frame {
  const { argsz, index } = IrqInfo.read(body);
  if (argsz < IrqInfo.bytes) throw invalid(`DEVICE_GET_IRQ_INFO with argsz ${argsz}`);
  if (index >= IRQ_KINDS) throw invalid(`DEVICE_GET_IRQ_INFO of kind ${index}`);
  return IrqInfo.frame({ argsz: IrqInfo.bytes, flags: 1, index, count: session.interrupts.count(index) });
}

function setIrqs(session: CommandContext, body: Uint8Array, files: readonly PassedFile[]): Frame {
  try {
    session.interrupts.set(body, files);
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
  return emptyFrame();
}

function reset(session: CommandContext): HandlerAnswer | Promise<HandlerAnswer> {
  return whenQuiet(session, async () => {
    await session.device.reset?.();
    session.migration?.reset();
    return emptyFrame();
  });
}

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
function feature(session: CommandContext, body: Uint8Array): HandlerAnswer | Promise<HandlerAnswer> {
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
function migrationRead(session: CommandContext, body: Uint8Array): Frame {
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

function migrationWrite({ migration, mostAtOnce }: CommandContext, body: Uint8Array): Frame {
  const { size } = MigrationData.read(body);
  if (migration === undefined || size > mostAtOnce) throw invalid(`MIG_DATA_WRITE of ${size} bytes`);
  migration.load(MigrationData.tail(body, size).slice());
  return emptyFrame();
}

/** A refusal has the body of a success, where the profile says so. */
function withBody({ profile }: CommandContext, error: unknown, frame: Frame): unknown {
  if (!profile.errorBodies) return error;
  const errno = error instanceof RefusedError ? error.errno : ErrnoNumber.EINVAL;
  return new RefusedError(errno, "the device refused", frame);
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

/** Access to the regions of a device: its BARs and its configuration space. */
class Regions {
  readonly #session: CommandContext;

  constructor(session: CommandContext) {
    this.#session = session;
  }

  info(body: Uint8Array): Frame {
    const { argsz, index } = RegionInfo.read(body);
    if (argsz < RegionInfo.bytes) throw invalid(`DEVICE_GET_REGION_INFO with argsz ${argsz}`);
    if (index >= REGIONS) throw invalid(`DEVICE_GET_REGION_INFO of region ${index}`);
    const size = BigInt(this.#size(index));
    const flags = size === 0n ? 0 : RegionFlag.READ | RegionFlag.WRITE;
    return RegionInfo.frame({ argsz: RegionInfo.bytes, flags, index, capOffset: 0, size, offset: 0n });
  }

  ioFds(body: Uint8Array): Frame {
    const { argsz, index } = RegionIoFds.read(body);
    if (argsz < RegionIoFds.bytes || index >= REGIONS || this.#size(index) === 0) {
      throw invalid(`DEVICE_GET_REGION_IO_FDS of region ${index} with argsz ${argsz}`);
    }
    return RegionIoFds.frame({ argsz: RegionIoFds.bytes, flags: 0, index, count: 0 });
  }

  read(body: Uint8Array): Frame | Promise<Frame> {
    const access = RegionAccess.read(body);
    const { offset, region, count } = access;
    this.#check(access);
    if (count === 0) return emptyFrame();
    const frame = RegionAccess.frameWithRoom(access, count);
    const into = viewOf(frame, HEADER_BYTES + RegionAccess.bytes, count);
    const { device, config } = this.#session;
    return this.#withBody(frame, () => {
      if (region !== PciRegion.CONFIG) return device.bars[region]!.read(Number(offset), into);
      config.read(Number(offset), into);
    });
  }

  write(body: Uint8Array): Frame | Promise<Frame> {
    const access = RegionAccess.read(body);
    this.#check(access);
    // The device's own: it may take its time.
    const data = RegionAccess.tail(body, access.count).slice();
    if (access.count === 0) return emptyFrame();
    return this.#withBody(RegionAccess.frame(access), () => this.#writeRegion(access, data));
  }

  async writeMany(body: Uint8Array): Promise<Frame> {
    const { count } = WriteMulti.read(body);
    if (!this.#session.profile.writeMultiple) throw invalid("REGION_WRITE_MULTI");
    const entries = WriteMulti.tail(body).slice();
    if (BigInt(entries.length) !== count * BigInt(SmallWrite.bytes)) {
      throw invalid(`REGION_WRITE_MULTI of ${count} with ${entries.length} bytes`);
    }
    for (let at = 0; at < entries.length; at += SmallWrite.bytes) {
      const write = SmallWrite.read(entries, at);
      if (write.count > SMALL) throw invalid(`one of many writes has ${write.count} bytes`);
      this.#check(write);
      const first = at + SmallWrite.bytes - SMALL;
      if (write.count > 0) await this.#writeRegion(write, entries.subarray(first, first + write.count));
    }
    return WriteMulti.frame({ count });
  }

  #writeRegion({ offset, region }: { offset: bigint; region: number }, data: Uint8Array): MaybePromise {
    const { config, profile, device } = this.#session;
    if (region !== PciRegion.CONFIG) return device.bars[region]!.write(Number(offset), data);
    if (!config.write(Number(offset), data) && profile.configWritesRefused) {
      throw invalid(`write of configuration space at ${offset}`);
    }
  }

  /** Runs an access of the device, of which `frame` is the reply. */
  #withBody(frame: Frame, access: () => MaybePromise): Frame | Promise<Frame> {
    const refused = (error: unknown): never => {
      throw withBody(this.#session, error, frame);
    };
    try {
      return access()?.then(() => frame, refused) ?? frame;
    } catch (error) {
      return refused(error);
    }
  }

  #size(region: number): number {
    if (region === PciRegion.CONFIG) return CONFIG_BYTES;
    return this.#session.device.bars[region]?.size ?? 0;
  }

  #check({ offset, region, count }: { offset: bigint; region: number; count: number }): void {
    const what = (): string => `access to ${count} bytes at ${offset} of region ${region}`;
    if (region >= REGIONS || count > MAX_DATA) throw invalid(what());
    if (
      this.#session.profile.closedWhileStopped &&
      this.#session.migration?.state === MigrationState.STOP_COPY
    )
      throw invalid(`${what()} in STOP_COPY`);
    if (count === 0 && !this.#session.profile.emptyAccessAccepted) throw invalid(what());
    if (offset + BigInt(count) > BigInt(this.#size(region))) throw invalid(what());
  }
}
