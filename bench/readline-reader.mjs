/**
 * A reader of QEMU's log as a script would have it: readline, a regular
 * expression for each kind of event, BigInt values in a Map. It keeps what is
 * mapped, and verifies nothing. The text comes on standard input; printed are the
 * seconds it took.
 *
 * @module
 */

import { createInterface } from "node:readline";

const PATTERNS = [
  /^spapr_iommu_(?:pci_)?put liobn=0x(?<liobn>[0-9a-f]+) ioba=0x(?<ioba>[0-9a-f]+) tce=0x(?<tce>[0-9a-f]+) ret=(?<ret>-?\d+)$/,
  /^spapr_iommu_(?:pci_)?stuff liobn=0x(?<liobn>[0-9a-f]+) ioba=0x(?<ioba>[0-9a-f]+) tcevalue=0x(?<tce>[0-9a-f]+) npages=(?<pages>\d+) ret=(?<ret>-?\d+)$/,
  /^spapr_iommu_(?:pci_)?indirect liobn=0x(?<liobn>[0-9a-f]+) ioba=0x(?<ioba>[0-9a-f]+) tcelist=0x(?<list>[0-9a-f]+) iobaN=0x(?<last>[0-9a-f]+) tceN=0x(?<tce>[0-9a-f]+) ret=(?<ret>-?\d+)$/,
  /^spapr_iommu_xlate liobn=0x(?<liobn>[0-9a-f]+) 0x(?<offset>[0-9a-f]+) -> 0x(?<tce>[0-9a-f]+) perm=(?<perm>\d+) mask=0x(?<mask>[0-9a-f]+)$/,
];
const PAGE = 4096n;

const mapped = new Map();
let events = 0;
let begun = 0n;
for await (const line of createInterface({ input: process.stdin })) {
  if (begun === 0n) begun = process.hrtime.bigint();
  for (const pattern of PATTERNS) {
    const fields = pattern.exec(line)?.groups;
    if (fields === undefined) continue;
    events++;
    const tce = BigInt(`0x${fields.tce}`);
    if (fields.ioba === undefined) break;
    const ioba = BigInt(`0x${fields.ioba}`);
    const pages = BigInt(fields.pages ?? Number.parseInt(fields.last ?? "0", 16) + 1);
    // A stuff call prints the address behind its last page.
    const start = fields.pages === undefined ? ioba : ioba - pages * PAGE;
    for (let page = 0n; page < pages; page++) {
      if (tce === 0n) mapped.delete(start + page * PAGE);
      else mapped.set(start + page * PAGE, { liobn: BigInt(`0x${fields.liobn}`), tce, line: events });
    }
    break;
  }
}
console.log(`${Number(process.hrtime.bigint() - begun) / 1e9} ${events} ${mapped.size}`);
