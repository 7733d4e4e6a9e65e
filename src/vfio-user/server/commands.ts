import type { PassedFile } from "../protocol/channel.ts";
import { emptyFrame, type Frame } from "../protocol/layout.ts";
import { Command } from "../protocol/message.ts";
import { DeviceFlag, DeviceInfo, IrqInfo } from "../protocol/payloads.ts";
import { invalid, REGIONS, whenQuiet } from "./answers.ts";
import type { CommandContext, HandlerAnswer } from "./context.ts";
import { dmaMap, dmaUnmap } from "./dma-commands.ts";
import { feature, migrationRead, migrationWrite } from "./features.ts";
import { IRQ_KINDS } from "./interrupts.ts";
import { Regions } from "./regions.ts";

/**
 * Serves one command from its body, which is there until the handler returns, and the files that came with it. What it
 * throws becomes an error reply.
 */
export type Handler = (
  body: Uint8Array,
  files: readonly PassedFile[],
) => HandlerAnswer | Promise<HandlerAnswer>;

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
