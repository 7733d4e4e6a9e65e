/**
 * What a file is, by its first bytes: the one table of that. A row is for people who give us the wrong file, or one of
 * a kind that another tool makes readable.
 *
 * @module
 */

/** Bytes of a file that tell its kind: an image of a disc says it after 32 KiB. */
export const KIND_BYTES = 33_000;

/** Bytes that show whether a file is text, and of how many one may be a control character. */
const TEXT_BYTES = 240;
const BYTES_A_CONTROL = 30;

/** A kind of file, and what to do with it. */
export interface FileKind {
  readonly what: string;
  readonly advice: string;
  /** Is it text, of which the lines can be read? */
  readonly isText: boolean;
}

/** A kind, and how its files begin: bytes (each a character) at an offset, or a function of the first bytes. */
type KindRow = readonly [
  begins: string | readonly [offset: number, bytes: string] | ((head: Uint8Array) => boolean),
  what: string,
  advice: string,
];

const RECORD_QEMU = "QEMU's events are recorded by -trace 'spapr_iommu*' -D qemu.log";
const RECORD_LINUX = "Linux' by trace-cmd record -e dma";
const READ_RECORDING =
  "check, who, alive, map, info, diff, stat and convert read it; this needs a trace of QEMU, and --kernel-log the kernel's log (dmesg > dmesg.txt)";
const READ_SAVED = "check, info, map, diff, who and alive read it";
const DAMAGED_PACKING = "such data is unpacked here, unless its first bytes are damaged, as these are";
const SAVE =
  "a running machine is saved by virsh save, by virsh dump without --memory-only, or by QEMU's migrate and savevm";

const littleEndian = (head: Uint8Array): boolean => head[5] === 1;
/** `e_type` of an ELF file; 4 is a core. */
const elfType = (head: Uint8Array): number => (littleEndian(head) ? head[16]! : head[17]!);
const isElf = (head: Uint8Array): boolean => startsAt(head, 0, "\x7fELF");

const OP_SCRIPT =
  "exec, check, info, map, who, alive and diff take an op script, which is known by the end of its name, .jsonl";

const [KDUMP, FLAT_KDUMP] = ["KDUMP   ", "makedumpfile"];
const MEMORY_DUMPS = [KDUMP, FLAT_KDUMP];

const PACKINGS: readonly KindRow[] = [
  ["\x28\xb5\x2f\xfd", "packed with zstd", DAMAGED_PACKING],
  ["\xfd7zXZ\0", "packed with xz", DAMAGED_PACKING],
  ["BZh", "packed with bzip2", DAMAGED_PACKING],
  ["\x89LZO\0\r\n\x1a\n", "packed with lzop", DAMAGED_PACKING],
  ["\x04\x22\x4d\x18", "packed with lz4", "unpack it first: lz4 -d FILE"],
  ["\x1f\x8b", "packed with gzip", DAMAGED_PACKING],
];

const BINARIES: readonly KindRow[] = [
  ...PACKINGS,
  ["\x17\x08Dtracing", "a trace.dat of trace-cmd", READ_RECORDING],
  ["PERFILE2", "a perf.data of perf", READ_RECORDING],
  ["LPKSHHRH", "a journal of systemd", "make text of it: journalctl --file FILE -o short-monotonic"],
  ["PK\x03\x04", "a zip archive", "unpack it first: unzip FILE, and name a file of it"],
  ["7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first: 7z x FILE, and name a file of it"],
  [[257, "ustar"], "a tar archive", "unpack it first: tar xf FILE, and name a file of it"],
  ["LibvirtQemud", "an image of virsh save", READ_SAVED],
  ["QEVM", "a migration stream", READ_SAVED],
  ["QFI\xfb", "a qcow2 disk", `${READ_SAVED}, if a machine was saved in it (savevm)`],
  [
    (head) => isElf(head) && elfType(head) === 4,
    "an ELF core, such as virsh dump --memory-only makes",
    `it has the memory and no devices: the TCE tables of the IOMMU are in QEMU; ${SAVE}`,
  ],
  [isElf, "a program", `name a recording; ${RECORD_QEMU}, ${RECORD_LINUX}`],
  [
    KDUMP,
    "a compressed dump of a kernel's memory",
    "crash shows its log: crash vmlinux FILE, then log; the log is read here",
  ],
  [
    FLAT_KDUMP,
    "a flattened dump of a kernel's memory",
    "makedumpfile -R FILE.core < FILE, then crash vmlinux FILE.core, then log; the log is read here",
  ],
  ...["\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x4d\x3c\xb2\xa1", "\x0a\x0d\x0d\x0a"].map(
    (magic): KindRow => [
      magic,
      "a capture of packets (pcap)",
      `tcpdump -r FILE shows it; packets tell nothing of DMA; ${RECORD_QEMU}, ${RECORD_LINUX}`,
    ],
  ),
  ["KDMV", "a VMDK image of a disk", `a disk has no machine in it; ${SAVE}`],
  ["conectix", "a VHD image of a disk", `a disk has no machine in it; ${SAVE}`],
  ["vhdxfile", "a VHDX image of a disk", `a disk has no machine in it; ${SAVE}`],
  [[0x40, "\x7f\x10\xda\xbe"], "a VDI image of a disk", `a disk has no machine in it; ${SAVE}`],
  ["QED\0", "a QED image of a disk", `a disk has no machine in it; ${SAVE}`],
  ["LUKS\xba\xbe", "an encrypted disk (LUKS)", `a disk has no machine in it; ${SAVE}`],
  [[0x8001, "CD001"], "an image of a disc (ISO 9660)", `a disc has no machine in it; ${SAVE}`],
  [[510, "\x55\xaa"], "an image of a disk", `a disk has no machine in it; ${SAVE}`],
  ["SQLite format 3\0", "a database of SQLite", "sqlite3 FILE .schema shows what is in it"],
  ["PAR1", "a Parquet file", "duckdb -c \"from 'FILE'\" shows it; convert makes such files of a recording"],
  [
    "\xc1\x1f\xfc\xc1",
    "a stream of a CTF trace (LTTng)",
    "babeltrace2 FOLDER makes text of the folder it lies in",
  ],
  [
    "\xc1\xfc\x1f\xc1",
    "a stream of a CTF trace (LTTng)",
    "babeltrace2 FOLDER makes text of the folder it lies in",
  ],
  [
    isPerfetto,
    "a trace of Perfetto",
    'make text of it: traceconv systrace FILE FILE.txt, if the dma events were recorded (ftrace_events: "dma/*")',
  ],
  [
    "\xd0\x0d\xfe\xed",
    "a device tree",
    "dtc -I dtb -O dts FILE shows it; plan reads a command line of QEMU's",
  ],
  ["\xff\xfe", "text in UTF-16", "make UTF-8 of it: iconv -f UTF-16 -t UTF-8 FILE"],
  ["\xfe\xff", "text in UTF-16", "make UTF-8 of it: iconv -f UTF-16 -t UTF-8 FILE"],
  ["%PDF-", "a PDF", "the text that was printed is needed"],
  ["\x89PNG", "a picture", "text is needed: copy the lines, or record them"],
  ["\xff\xd8\xff", "a picture", "text is needed: copy the lines, or record them"],
  ["MZ", "a program for Windows", `name a recording; ${RECORD_QEMU}, ${RECORD_LINUX}`],
];

/** Text that is none of a log; lines of one may stand in it. */
const TEXTS: readonly KindRow[] = [
  ["# Disk DescriptorFile", "a VMDK image of a disk", `a disk has no machine in it; ${SAVE}`],
  [
    "/* CTF 1",
    "the metadata of a CTF trace (LTTng)",
    "babeltrace2 FOLDER makes text of the folder it lies in",
  ],
  ["<!DOCTYPE html", "a web page", "download the file itself, not the page that shows it (raw)"],
  ["<html", "a web page", "download the file itself, not the page that shows it (raw)"],
  ["<domain", "libvirt's description of a machine", "plan reads it, and --machine takes it"],
  [
    "<?xml",
    "XML",
    "plan and --machine take libvirt's description of a machine; `info` of a saved machine shows it",
  ],
  [isCast, "a recording of a terminal (asciinema)", "make text of it: asciinema cat FILE > FILE.txt"],
  ["{", "JSON", OP_SCRIPT],
  ["[", "JSON", `an op script has an object a line; ${OP_SCRIPT}`],
];

/** What a file is that begins so; undefined if nothing tells. Text of logs is not asked for: a `[` begins many. */
export function fileKind(head: Uint8Array, isText: boolean): FileKind | undefined {
  const binary = BINARIES.find(([begins]) => beginsSo(head, begins));
  const row =
    binary ??
    TEXTS.find(
      ([begins]) =>
        beginsSo(head, begins) && !(begins === "[" && isText && head[1] !== 0x7b && head[1] !== 0x0a),
    );
  return row === undefined ? undefined : { what: row[1], advice: row[2], isText: binary === undefined };
}

/** Is a file packed that begins so? Pieces of what is in it may stand there as they are, and are no more than that. */
export const isPacked = (head: Uint8Array): boolean => PACKINGS.some(([begins]) => beginsSo(head, begins));

/** Do these first bytes show text? The start of a log that was cut while it was written is a hole of zeros. */
export function isText(head: Uint8Array): boolean {
  const first = head.findIndex((byte) => byte !== 0);
  if (first < 0) return head.length === 0;
  const bytes = head.subarray(first, first + TEXT_BYTES);
  const controls = bytes.reduce((count, byte) => count + (isControl(byte) ? 1 : 0), 0);
  return !bytes.includes(0) && controls * BYTES_A_CONTROL <= bytes.length;
}

/** Is it a control character that text does not have: no tab, line end, backspace, bell or escape? */
const isControl = (byte: number): boolean =>
  byte < 0x07 || (byte > 0x0d && byte < 0x20 && byte !== 0x1b) || byte === 0x7f;

/** Which dump of memory begins so, if one does. Lines in memory are remains of whatever was there, and no log. */
export function memoryDumpKind(head: Uint8Array): FileKind | undefined {
  const isDump =
    (isElf(head) && elfType(head) === 4) || MEMORY_DUMPS.some((magic) => startsAt(head, 0, magic));
  return isDump ? fileKind(head, false) : undefined;
}

function beginsSo(head: Uint8Array, begins: KindRow[0]): boolean {
  const [offset, bytes] = typeof begins === "object" ? begins : [0, begins];
  return typeof bytes === "function" ? bytes(head) : startsAt(head, offset, bytes);
}

function startsAt(head: Uint8Array, offset: number, bytes: string): boolean {
  for (let i = 0; i < bytes.length; i++) if (head[offset + i] !== bytes.charCodeAt(i)) return false;
  return true;
}

/** The head of a recording of asciinema, of which each line after it has a piece of the output. */
function isCast(head: Uint8Array): boolean {
  const first = String.fromCharCode(...head.subarray(0, 400)).split("\n")[0]!;
  return /^\{.*"version": ?[23]\b/.test(first) && /"(?:width|cols|term)":/.test(first);
}

/** Packets with field number 1, one behind the other: tag, length, bytes. */
function isPerfetto(head: Uint8Array): boolean {
  let at = 0;
  for (let packets = 0; packets < 2; packets++) {
    if (head[at] !== 0x0a) return false;
    let length = 0;
    let shift = 0;
    for (at++; ; at++, shift += 7) {
      const byte = head[at];
      if (byte === undefined || shift > 28) return false;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at += 1 + length;
    // A packet has fields of its own, at least a tag and a value.
    if (length < 2) return false;
    if (at >= head.length) return packets > 0 || (at === head.length && length > 4);
  }
  return true;
}
