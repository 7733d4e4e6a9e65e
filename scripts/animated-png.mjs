/**
 * Puts pictures of one size together to a PNG that moves (the chunks acTL, fcTL and fdAT of the PNG specification, third
 * edition). After the first one, only what changed is in it.
 *
 * @module
 */

import { crc32 } from "node:zlib";

const SIGNATURE = 8;
/** Of IHDR's chunk, after its length and name. */
const HEADER = SIGNATURE + 8;

/**
 * The part of a picture that differs from the one before.
 *
 * @typedef {object} Frame
 * @property {Buffer} png of that part
 * @property {number} x
 * @property {number} y
 * @property {number} milliseconds that it is shown for
 */

/** Finds what changed from picture to picture, in a page of a browser, which can read pictures and write them. */
export async function framesOf(page, pictures) {
  await page.goto("about:blank");
  const frames = [];
  for (const [i, { png, milliseconds }] of pictures.entries()) {
    const before = pictures[i - 1]?.png;
    const changed = await page.evaluate(
      changedPart,
      [png, before].map((one) => one?.toString("base64")),
    );
    frames.push({ ...changed, png: Buffer.from(changed.png, "base64"), milliseconds });
  }
  return frames;
}

/** Runs in the page. */
async function changedPart([now, before]) {
  const pixelsOf = async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return { bitmap, data: context.getImageData(0, 0, bitmap.width, bitmap.height).data };
  };
  const { bitmap, data } = await pixelsOf(now);
  const { width, height } = bitmap;
  let [left, top, right, bottom] = [0, 0, width, height];
  if (before !== undefined) {
    const was = new Uint32Array((await pixelsOf(before)).data.buffer);
    const is = new Uint32Array(data.buffer);
    [left, top, right, bottom] = [width, height, 0, 0];
    for (let at = 0; at < is.length; at++) {
      if (is[at] === was[at]) continue;
      const [x, y] = [at % width, Math.floor(at / width)];
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
    }
    // A frame has one pixel at least.
    if (right === 0) [left, top, right, bottom] = [0, 0, 1, 1];
  }
  const part = new OffscreenCanvas(right - left, bottom - top);
  part.getContext("2d").drawImage(bitmap, -left, -top);
  const bytes = new Uint8Array(await (await part.convertToBlob({ type: "image/png" })).arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return { png: btoa(text), x: left, y: top };
}

/** The chunks of a PNG. */
function* chunksOf(png) {
  for (let at = SIGNATURE; at < png.length; ) {
    const length = png.readUInt32BE(at);
    yield { name: png.toString("latin1", at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) };
    at += 12 + length;
  }
}

function chunk(name, ...parts) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), ...parts]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length - 4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

const number = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/**
 * A PNG that shows frames again and again.
 *
 * @param {readonly Frame[]} frames the first one is whole
 */
export function animatedPng(frames) {
  const [{ png: first }] = frames;
  const chunks = [chunk("acTL", number(frames.length), number(0))];
  let sequence = 0;
  for (const [i, { png, x, y, milliseconds }] of frames.entries()) {
    const control = Buffer.alloc(26);
    control.writeUInt32BE(sequence++, 0);
    png.copy(control, 4, HEADER, HEADER + 8);
    control.writeUInt32BE(x, 12);
    control.writeUInt32BE(y, 16);
    control.writeUInt16BE(milliseconds, 20);
    control.writeUInt16BE(1000, 22);
    chunks.push(chunk("fcTL", control));
    for (const { name, data } of chunksOf(png)) {
      if (name !== "IDAT") continue;
      chunks.push(i === 0 ? chunk("IDAT", data) : chunk("fdAT", number(sequence++), data));
    }
  }
  const header = first.subarray(0, HEADER + 13 + 4);
  return Buffer.concat([header, ...chunks, chunk("IEND")]);
}
