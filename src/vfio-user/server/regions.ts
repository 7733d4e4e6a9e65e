import { emptyFrame, type Frame, HEADER_BYTES, viewOf } from "../protocol/layout.ts";
import { MigrationState } from "../protocol/migration-state.ts";
import {
  PciRegion,
  RegionAccess,
  RegionFlag,
  RegionInfo,
  RegionIoFds,
  SmallWrite,
  WriteMulti,
} from "../protocol/payloads.ts";
import { invalid, REGIONS, withBody } from "./answers.ts";
import { CONFIG_BYTES } from "./config-space.ts";
import { type CommandContext, MAX_DATA } from "./context.ts";
import type { MaybePromise } from "./device-model.ts";

/** Bytes that one of many writes has at most. */
const SMALL = 8;

/** Access to the regions of a device: its BARs and its configuration space. */
export class Regions {
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
