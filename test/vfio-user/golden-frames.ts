/**
 * Messages that were captured between real programs: libvfio-user's sample client and servers, and QEMU 11.1.3.
 *
 * @module
 */

/** Bytes as they stand in a capture; `|` only divides. */
export const hexBytes = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(
    text
      .replace(/[|\s]+/g, " ")
      .trim()
      .split(" "),
    (byte) => Number.parseInt(byte, 16),
  );

const withText = (head: string, text: string): Uint8Array => {
  const json = new TextEncoder().encode(text);
  const start = hexBytes(head);
  const all = new Uint8Array(start.length + json.length + 1);
  all.set(start);
  all.set(json, start.length);
  return all;
};

const A1024 = " 41".repeat(1024);

/** The frames by name, in an order in which a stream may have them. */
export const GOLDEN: Readonly<Record<string, Uint8Array>> = {
  "VERSION of the sample client": withText(
    "55 da 01 00 52 00 00 00 00 00 00 00 00 00 00 00 00 00 02 00",
    '{"capabilities":{"max_msg_fds":32,"max_data_xfer_size":1024}}',
  ),
  "VERSION of the sample server": withText(
    "55 da 01 00 7d 00 00 00 01 00 00 00 00 00 00 00 00 00 02 00",
    '{ "capabilities": { "max_msg_fds": 8, "max_data_xfer_size": 1048576, "migration": { "pgsize": 4096 } } }',
  ),
  "VERSION of QEMU": withText(
    "00 00 01 00 d6 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    '{"capabilities": {"pgsizes": 4096, "max_msg_fds": 16, "max_dma_maps": 65535, "max_data_xfer_size": 1048576, "migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, "write_multiple": true}}',
  ),
  "REGION_READ of no region": hexBytes(
    "0f f0 09 00 20 00 00 00 00 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00 ef be ad de 04 00 00 00",
  ),
  "EINVAL for REGION_READ": hexBytes("0f f0 09 00 10 00 00 00 21 00 00 00 16 00 00 00"),
  DEVICE_GET_INFO: hexBytes(
    "0c b1 04 00 20 00 00 00 00 00 00 00 00 00 00 00 | 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
  ),
  "reply to DEVICE_GET_INFO": hexBytes(
    "0c b1 04 00 20 00 00 00 01 00 00 00 00 00 00 00 | 10 00 00 00 03 00 00 00 09 00 00 00 05 00 00 00",
  ),
  "reply to DEVICE_GET_REGION_INFO of BAR1": hexBytes(`
    cd ab 05 00 60 00 00 00 01 00 00 00 00 00 00 00 | 50 00 00 00 0f 00 00 00 01 00 00 00 20 00 00 00
    00 30 00 00 00 00 00 00 00 00 00 00 00 00 00 00 | 01 00 01 00 00 00 00 00 02 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00 | 00 20 00 00 00 00 00 00 00 10 00 00 00 00 00 00`),
  "DEVICE_GET_IRQ_INFO of INTx": hexBytes(
    "ad 1b 07 00 20 00 00 00 00 00 00 00 00 00 00 00 | 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
  ),
  "reply to DEVICE_GET_IRQ_INFO": hexBytes(
    "ad 1b 07 00 20 00 00 00 01 00 00 00 00 00 00 00 | 10 00 00 00 01 00 00 00 00 00 00 00 01 00 00 00",
  ),
  "DEVICE_SET_IRQS of INTx": hexBytes(
    "ae 1b 08 00 24 00 00 00 00 00 00 00 00 00 00 00 | 14 00 00 00 24 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00",
  ),
  "reply to DEVICE_SET_IRQS": hexBytes("ae 1b 08 00 10 00 00 00 01 00 00 00 00 00 00 00"),
  DMA_MAP: hexBytes(
    "35 12 02 00 30 00 00 00 00 00 00 00 00 00 00 00 | 20 00 00 00 03 00 00 00 00 10 00 00 00 00 00 00 00 10 00 00 00 00 00 00 00 10 00 00 00 00 00 00",
  ),
  "reply to DMA_MAP": hexBytes("35 12 02 00 10 00 00 00 01 00 00 00 00 00 00 00"),
  "DMA_MAP of QEMU": hexBytes(
    "01 00 02 00 30 00 00 00 00 00 00 00 00 00 00 00 | 20 00 00 00 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 10 00 00 00 00",
  ),
  DMA_UNMAP: hexBytes(
    "07 00 03 00 28 00 00 00 00 00 00 00 00 00 00 00 | 18 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00",
  ),
  "reply to DMA_UNMAP": hexBytes(
    "07 00 03 00 28 00 00 00 01 00 00 00 00 00 00 00 | 18 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00",
  ),
  REGION_WRITE: hexBytes(
    "0d f0 0a 00 28 00 00 00 00 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00 00 00 00 00 08 00 00 00 | e1 f6 02 6b 00 00 00 00",
  ),
  "reply to REGION_WRITE": hexBytes(
    "0d f0 0a 00 20 00 00 00 01 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00 00 00 00 00 08 00 00 00",
  ),
  DMA_WRITE: hexBytes(
    `01 00 0c 00 20 04 00 00 00 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00 00 04 00 00 00 00 00 00 |${A1024}`,
  ),
  "reply to DMA_WRITE": hexBytes(
    "01 00 0c 00 20 00 00 00 01 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00 00 04 00 00 00 00 00 00",
  ),
  DMA_READ: hexBytes(
    "05 00 0b 00 20 00 00 00 00 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00 00 04 00 00 00 00 00 00",
  ),
  "reply to DMA_READ": hexBytes(
    `05 00 0b 00 20 04 00 00 01 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00 00 04 00 00 00 00 00 00 |${A1024}`,
  ),
  DEVICE_RESET: hexBytes("01 00 0d 00 10 00 00 00 00 00 00 00 00 00 00 00"),
  "reply to DEVICE_RESET": hexBytes("01 00 0d 00 10 00 00 00 01 00 00 00 00 00 00 00"),
  DMA_LOGGING_START: hexBytes(
    "00 00 10 00 28 00 00 00 00 00 00 00 00 00 00 00 | 18 00 00 00 06 00 02 00 | 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
  ),
  DMA_LOGGING_REPORT: hexBytes(
    "99 00 10 00 30 00 00 00 00 00 00 00 00 00 00 00 | 28 00 00 00 08 00 01 00 | 00 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00 00 10 00 00 00 00 00 00",
  ),
  "reply to DMA_LOGGING_REPORT": hexBytes(
    "99 00 10 00 38 00 00 00 01 00 00 00 00 00 00 00 | 28 00 00 00 08 00 01 00 | 00 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00 00 10 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00",
  ),
  MIG_DATA_READ: hexBytes("04 69 11 00 18 00 00 00 00 00 00 00 00 00 00 00 | 08 04 00 00 00 04 00 00"),
};
