/**
 * A reader of QEMU's log as one writes it for a single question: readline, a
 * regular expression with named groups for each event, picked by the event's
 * name. It does what reading takes and nothing else: each field becomes a value
 * (64-bit ones a BigInt, as a number would lose bits), each line an event, and
 * a Map keeps what is mapped in each window. It verifies nothing, knows no
 * thread and time before the name, and skips lines that it does not know.
 *
 * `node readline-reader.mjs FILE` prints seconds, events, and live mappings.
 * The seconds are those from the first line on, without the start of Node.
 *
 * @module
 */

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

const PAGE = 4096n;

const hex = (digits) => BigInt(`0x${digits}`);

/** By window and address, the TCE that is mapped there. */
const windows = new Map();

function store(liobn, ioba, tce) {
  let mapped = windows.get(liobn);
  if (mapped === undefined) {
    mapped = new Map();
    windows.set(liobn, mapped);
  }
  if (tce === 0n) mapped.delete(ioba);
  else mapped.set(ioba, tce);
}

const put = {
  pattern:
    /^spapr_iommu_(?:pci_)?put liobn=0x(?<liobn>[0-9a-f]+) ioba=0x(?<ioba>[0-9a-f]+) tce=0x(?<tce>[0-9a-f]+) ret=(?<ret>-?\d+)$/,
  read: ({ liobn, ioba, tce, ret }) => ({
    liobn: hex(liobn),
    ioba: hex(ioba),
    tce: hex(tce),
    ret: Number(ret),
  }),
  apply({ liobn, ioba, tce, ret }) {
    if (ret === 0) store(liobn, ioba, tce);
  },
};

const stuff = {
  pattern:
    /^spapr_iommu_(?:pci_)?stuff liobn=0x(?<liobn>[0-9a-f]+) ioba=0x(?<ioba>[0-9a-f]+) tcevalue=0x(?<tce>[0-9a-f]+) npages=(?<pages>\d+) ret=(?<ret>-?\d+)$/,
  read: ({ liobn, ioba, tce, pages, ret }) => ({
    liobn: hex(liobn),
    ioba: hex(ioba),
    tce: hex(tce),
    pages: Number(pages),
    ret: Number(ret),
  }),
  apply({ liobn, ioba, tce, pages, ret }) {
    if (ret !== 0) return;
    // The address printed is the one behind the last page.
    for (let page = 1n; page <= pages; page++) store(liobn, ioba - page * PAGE, tce);
  },
};

const indirect = {
  pattern:
    /^spapr_iommu_(?:pci_)?indirect liobn=0x(?<liobn>[0-9a-f]+) ioba=0x(?<ioba>[0-9a-f]+) tcelist=0x(?<list>[0-9a-f]+) iobaN=0x(?<last>[0-9a-f]+) tceN=0x(?<tce>[0-9a-f]+) ret=(?<ret>-?\d+)$/,
  read: ({ liobn, ioba, list, last, tce, ret }) => ({
    liobn: hex(liobn),
    ioba: hex(ioba),
    list: hex(list),
    last: hex(last),
    tce: hex(tce),
    ret: Number(ret),
  }),
  apply({ liobn, ioba, last, tce, ret }) {
    // Only the last entry is printed; the ones before it are taken to lead up to it.
    for (let page = 0n; ret === 0 && page <= last; page++)
      store(liobn, ioba + page * PAGE, tce - (last - page) * PAGE);
  },
};

const xlate = {
  pattern:
    /^spapr_iommu_xlate liobn=0x(?<liobn>[0-9a-f]+) 0x(?<ioba>[0-9a-f]+) -> 0x(?<tce>[0-9a-f]+) perm=(?<perm>\d+) mask=0x(?<mask>[0-9a-f]+)$/,
  read: ({ liobn, ioba, tce, perm, mask }) => ({
    liobn: hex(liobn),
    ioba: hex(ioba),
    tce: hex(tce),
    perm: Number(perm),
    mask: hex(mask),
  }),
  apply() {},
};

const newTable = {
  pattern: /^spapr_iommu_new_table liobn=0x(?<liobn>[0-9a-f]+) table=(?<table>\S+) fd=(?<fd>-?\d+)$/,
  read: ({ liobn, table, fd }) => ({
    liobn: hex(liobn),
    table: table === "(nil)" ? 0n : BigInt(table),
    fd: Number(fd),
  }),
  apply({ liobn }) {
    windows.set(liobn, new Map());
  },
};

const EVENTS = new Map([
  ["spapr_iommu_put", put],
  ["spapr_iommu_pci_put", put],
  ["spapr_iommu_stuff", stuff],
  ["spapr_iommu_pci_stuff", stuff],
  ["spapr_iommu_indirect", indirect],
  ["spapr_iommu_pci_indirect", indirect],
  ["spapr_iommu_xlate", xlate],
  ["spapr_iommu_new_table", newTable],
]);

let events = 0;
let begun = 0n;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  if (begun === 0n) begun = process.hrtime.bigint();
  const kind = EVENTS.get(line.slice(0, line.indexOf(" ")));
  const fields = kind?.pattern.exec(line)?.groups;
  if (fields === undefined) continue;
  events++;
  kind.apply(kind.read(fields));
}
let live = 0;
for (const mapped of windows.values()) live += mapped.size;
console.log(`${Number(process.hrtime.bigint() - begun) / 1e9} ${events} ${live}`);
