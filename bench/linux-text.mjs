/**
 * Long texts of Linux' `dma:*` events, as one recording has them: its times rise, and nothing is mapped twice.
 *
 * @module
 */

const EVENT = /(dma_\w+):\s+(\S+) .*?(?:dma_addr=(\w+)|phys_addrs=\{(\w+))/;
const TIME = /^(.*? )(\d+)(\.\d+: .*)$/;

/** The lines of maps that are undone, of the syncs between, and of what undoes them. */
function pairedLines(text) {
  const lines = text.split("\n");
  const kept = new Set();
  const open = new Map();
  lines.forEach((line, at) => {
    const event = EVENT.exec(line);
    if (event === null || !TIME.test(line)) return;
    const [, name, device, address, list] = event;
    const key = `${device} ${address ?? `list ${list}`}`;
    const before = open.get(key);
    if (/unmap|free/.test(name)) {
      for (const one of before ?? []) kept.add(one).add(at);
      open.delete(key);
    } else if (/map|alloc/.test(name)) open.set(key, [at]);
    else before?.push(at);
  });
  return lines.filter((_line, at) => kept.has(at));
}

/**
 * What is mapped and unmapped in a recording, again and again.
 *
 * @param {Uint8Array} recorded text of a recording
 * @param {number} bytes how long it becomes, at least
 */
export function longRecording(recorded, bytes) {
  const parts = pairedLines(new TextDecoder("latin1").decode(recorded)).map((line) =>
    TIME.exec(line).slice(1),
  );
  const seconds = Number(parts.at(-1)[1]) - Number(parts[0][1]) + 1;
  const pieces = [];
  for (let length = 0, round = 0; length < bytes; round++) {
    const piece = Buffer.from(
      parts.map(([head, time, rest]) => `${head}${Number(time) + round * seconds}${rest}\n`).join(""),
      "latin1",
    );
    pieces.push(piece);
    length += piece.length;
  }
  return new Uint8Array(Buffer.concat(pieces));
}

/**
 * So many maps that are never undone.
 *
 * @param {number} count
 * @param {number} size bytes of each
 */
export function liveMaps(count, size) {
  const lines = [];
  for (let i = 0; i < count; i++) {
    const time = (7 + i * 1e-5).toFixed(6);
    const address = (0x20_0000_0000 + i * size).toString(16);
    lines.push(
      `    t-29      [000] .....     ${time}: dma_map_page: 0000:00:03.0 dir=FROM_DEVICE dma_addr=${address} size=${size} phys_addr=${address} attrs=\n`,
    );
  }
  return new Uint8Array(Buffer.from(lines.join("")));
}
