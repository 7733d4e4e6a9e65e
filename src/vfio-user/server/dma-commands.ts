import type { DirtyLog } from "../dirty-log.ts";
import { emptyFrame, type Frame } from "../protocol/layout.ts";
import { Bitmap, DmaMap, DmaUnmap, UnmapFlag } from "../protocol/payloads.ts";
import { invalid, whenQuiet } from "./answers.ts";
import type { CommandContext, HandlerAnswer } from "./context.ts";
import type { BusWindow, MaybePromise } from "./device-model.ts";
import type { KnownWindow, ServerWindows } from "./server-windows.ts";

/** DMA_MAP: a window that the device may use, if it agrees. */
export function dmaMap(session: CommandContext, body: Uint8Array): HandlerAnswer | Promise<HandlerAnswer> {
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

/** DMA_UNMAP of one window, or of all; with a log of writes also which pages the device wrote. */
export function dmaUnmap(session: CommandContext, body: Uint8Array): HandlerAnswer | Promise<HandlerAnswer> {
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
