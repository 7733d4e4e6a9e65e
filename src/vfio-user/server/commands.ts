import { rangeOf } from "../../base/range.ts";
import { DirtyLog } from "../dirty-log.ts";
import { RefusedError } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { emptyFrame, type Frame, HEADER_BYTES } from "../protocol/layout.ts";
import { Command } from "../protocol/message.ts";
import {
  DeviceFeature,
  DeviceFlag,
  DeviceInfo,
  DmaMap,
  DmaUnmap,
  Feature,
  FeatureFlag,
  IrqFlag,
  IrqInfo,
  LoggedRange,
  LoggingReport,
  LoggingStart,
  PciIrq,
  PciRegion,
  RegionAccess,
  RegionFlag,
  RegionInfo,
  RegionIoFds,
  SetIrqs,
  SmallWrite,
  UnmapFlag,
  WriteMulti,
} from "../protocol/payloads.ts";
import { CONFIG_BYTES } from "./config-space.ts";
import { type CommandContext, type HandlerAnswer, MAX_DATA, NO_ANSWER } from "./context.ts";

/** Serves one command from its body. What it throws becomes an error reply. */
export type Handler = (body: Uint8Array) => HandlerAnswer | Promise<HandlerAnswer>;

const REGIONS = 9;
const IRQ_KINDS = 5;
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
    [Command.DEVICE_SET_IRQS, (body) => setIrqs(session, body)],
    [Command.REGION_READ, (body) => regions.read(body)],
    [Command.REGION_WRITE, (body) => regions.write(body)],
    [Command.REGION_WRITE_MULTI, (body) => regions.writeMany(body)],
    [Command.DEVICE_RESET, () => reset(session)],
    [Command.DEVICE_FEATURE, (body) => feature(session, body)],
  ]);
}

const refuse = (what: string): never => {
  throw invalid(what);
};

async function dmaMap(session: CommandContext, body: Uint8Array): Promise<HandlerAnswer> {
  const { argsz, flags, offset, address, size } = DmaMap.read(body);
  if (argsz < DmaMap.bytes) throw invalid(`DMA_MAP with argsz ${argsz}`);
  const window = session.table.check(flags, offset, address, size);
  if ((await session.quiesce()) === NO_ANSWER) return NO_ANSWER;
  if (window !== undefined) {
    session.table.add(window);
    try {
      await session.device.mapped?.(window);
    } catch (error) {
      session.table.delete(window);
      throw error;
    }
  }
  return emptyFrame();
}

async function dmaUnmap(session: CommandContext, body: Uint8Array): Promise<HandlerAnswer> {
  const request = DmaUnmap.read(body);
  const { argsz, flags, address, size } = request;
  if (argsz < DmaUnmap.bytes) throw invalid(`DMA_UNMAP with argsz ${argsz}`);
  const all = flags === UnmapFlag.ALL;
  if (flags !== 0 && !all) throw invalid(`DMA_UNMAP with flags ${flags}`);
  if (all && (address !== 0n || size !== 0n)) throw invalid("DMA_UNMAP of all with an address or a size");
  const going = all ? [...session.table.all] : [session.table.exactly(address, size)];
  if ((await session.quiesce()) === NO_ANSWER) return NO_ANSWER;
  for (const window of going) {
    await session.device.unmapping?.(window);
    session.table.delete(window);
  }
  return DmaUnmap.frame(request);
}

function deviceInfo(body: Uint8Array): Frame {
  const { argsz } = DeviceInfo.read(body);
  if (argsz < DeviceInfo.bytes) throw invalid(`DEVICE_GET_INFO with argsz ${argsz}`);
  const flags = DeviceFlag.RESET | DeviceFlag.PCI;
  return DeviceInfo.frame({ argsz: DeviceInfo.bytes, flags, regions: REGIONS, irqs: IRQ_KINDS });
}

/** How many interrupts of a kind a device has. No file can be passed here, so all but MSI are only said to be there. */
const irqCount = (session: CommandContext, index: number): number => {
  if (index === PciIrq.MSI) return session.device.msiVectors ?? 0;
  return index === PciIrq.ERR || index === PciIrq.REQ ? 1 : 0;
};

function irqInfo(session: CommandContext, body: Uint8Array): Frame {
  const { argsz, index } = IrqInfo.read(body);
  if (argsz < IrqInfo.bytes) throw invalid(`DEVICE_GET_IRQ_INFO with argsz ${argsz}`);
  if (index >= IRQ_KINDS) throw invalid(`DEVICE_GET_IRQ_INFO of kind ${index}`);
  const count = irqCount(session, index);
  return IrqInfo.frame({ argsz: IrqInfo.bytes, flags: 1, index, count });
}

const DATA_KINDS: readonly number[] = [IrqFlag.NONE, IrqFlag.BOOL, IrqFlag.EVENTFD];
const ACTIONS: readonly number[] = [IrqFlag.MASK, IrqFlag.UNMASK, IrqFlag.TRIGGER];
const DATA_BITS = 7;
const ACTION_BITS = 56;

/** Checks what it is asked for. Without files there is nothing to assign, and nothing that a trigger would write to. */
function setIrqs(session: CommandContext, body: Uint8Array): Frame {
  const { flags, index, start, count } = SetIrqs.read(body);
  const data = flags & DATA_BITS;
  const action = flags & ACTION_BITS;
  const what = `DEVICE_SET_IRQS with flags ${flags} of kind ${index}`;
  if (!DATA_KINDS.includes(data) || !ACTIONS.includes(action) || flags !== (data | action))
    throw invalid(what);
  if (index >= IRQ_KINDS) throw invalid(what);
  if (index >= PciIrq.ERR && action !== IrqFlag.TRIGGER) throw invalid(what);
  const there = irqCount(session, index);
  const isAll = data === IrqFlag.NONE && action === IrqFlag.TRIGGER && start === 0 && count === 0;
  if (there === 0 || (!isAll && (start >= there || count > there - start))) {
    throw invalid(`${what}: ${count} from ${start} on of ${there}`);
  }
  SetIrqs.tail(body, data === IrqFlag.BOOL ? count : 0);
  return emptyFrame();
}

async function reset(session: CommandContext): Promise<HandlerAnswer> {
  if ((await session.quiesce()) === NO_ANSWER) return NO_ANSWER;
  await session.device.reset?.();
  return emptyFrame();
}

const LOGGING: readonly number[] = [
  Feature.DMA_LOGGING_START,
  Feature.DMA_LOGGING_STOP,
  Feature.DMA_LOGGING_REPORT,
];

/** Device features: logging of what the device writes, and no migration. */
function feature(session: CommandContext, body: Uint8Array): Frame {
  const { flags, argsz } = DeviceFeature.read(body);
  const data = DeviceFeature.tail(body);
  const number = flags & FeatureFlag.NUMBER;
  const what = `DEVICE_FEATURE ${number} with flags ${flags}`;
  if (!session.profile.logsWrites || !LOGGING.includes(number)) throw invalid(what);
  if ((flags & FeatureFlag.PROBE) !== 0) return DeviceFeature.frame({ argsz, flags }, data);
  const isGet = (flags & FeatureFlag.GET) !== 0;
  if (isGet !== (number === Feature.DMA_LOGGING_REPORT)) throw invalid(what);
  if (number === Feature.DMA_LOGGING_START) {
    session.dirtyLog = startLog(data);
    return DeviceFeature.frame({ argsz, flags }, data);
  }
  const log = session.dirtyLog;
  if (log === null) throw invalid(`${what}: nothing is logged`);
  if (number === Feature.DMA_LOGGING_STOP) {
    session.dirtyLog = null;
    return DeviceFeature.frame({ argsz, flags });
  }
  const report = LoggingReport.read(data);
  if (report.pageSize !== log.pageSize) throw invalid(`${what}: pages of ${report.pageSize} bytes`);
  const words = new Uint8Array(log.report(report.address, report.size).buffer);
  if (argsz < DeviceFeature.bytes + LoggingReport.bytes + words.length)
    throw invalid(`${what}: argsz ${argsz}`);
  const all = new Uint8Array(LoggingReport.bytes + words.length);
  LoggingReport.write(report, all, 0);
  all.set(words, LoggingReport.bytes);
  return DeviceFeature.frame({ argsz, flags }, all);
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

  async read(body: Uint8Array): Promise<Frame> {
    const access = RegionAccess.read(body);
    const { offset, region, count } = access;
    this.#check(access);
    if (count === 0) return emptyFrame();
    const frame = RegionAccess.frameWithRoom(access, count);
    const into = frame.subarray(HEADER_BYTES + RegionAccess.bytes);
    await this.#withBody(frame, async () => {
      if (region === PciRegion.CONFIG) this.#session.config.read(Number(offset), into);
      else await this.#session.device.bars[region]!.read(Number(offset), into);
    });
    return frame;
  }

  async write(body: Uint8Array): Promise<Frame> {
    const access = RegionAccess.read(body);
    this.#check(access);
    const data = RegionAccess.tail(body, access.count);
    if (access.count === 0) return emptyFrame();
    await this.#withBody(RegionAccess.frame(access), () => this.#writeRegion(access, data));
    return RegionAccess.frame(access);
  }

  async writeMany(body: Uint8Array): Promise<Frame> {
    const { count } = WriteMulti.read(body);
    if (!this.#session.profile.writeMultiple) throw invalid("REGION_WRITE_MULTI");
    const entries = WriteMulti.tail(body);
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

  async #writeRegion(
    { offset, region }: { offset: bigint; region: number },
    data: Uint8Array,
  ): Promise<void> {
    const { config, profile, device } = this.#session;
    if (region !== PciRegion.CONFIG) await device.bars[region]!.write(Number(offset), data);
    else if (!config.write(Number(offset), data) && profile.configWritesRefused) {
      throw invalid(`write of configuration space at ${offset}`);
    }
  }

  /** Runs an access of the device; its refusal has the body of a success, where the profile says so. */
  async #withBody(frame: Frame, access: () => void | Promise<void>): Promise<void> {
    try {
      await access();
    } catch (error) {
      if (!this.#session.profile.errorBodies) throw error;
      const errno = error instanceof RefusedError ? error.errno : ErrnoNumber.EINVAL;
      throw new RefusedError(errno, "the device refused an access", frame);
    }
  }

  #size(region: number): number {
    if (region === PciRegion.CONFIG) return CONFIG_BYTES;
    return this.#session.device.bars[region]?.size ?? 0;
  }

  #check({ offset, region, count }: { offset: bigint; region: number; count: number }): void {
    const what = (): string => `access to ${count} bytes at ${offset} of region ${region}`;
    if (region >= REGIONS || count > MAX_DATA) throw invalid(what());
    if (count === 0 && !this.#session.profile.emptyAccessAccepted) throw invalid(what());
    if (offset + BigInt(count) > BigInt(this.#size(region))) throw invalid(what());
  }
}
