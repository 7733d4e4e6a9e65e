/** A script that the pad offers. */
export interface SampleScript {
  readonly title: string;
  readonly lines: readonly string[];
}

const HEADER = '{"header":1,"phbs":[{"index":0}]}';
const CREATE =
  '{"op":"rtas","name":"ibm,create-pe-dma-window","args":[0,134217728,536870912,16,47],"nret":4}';

/** Scripts to begin with; each shows something. */
export const SAMPLE_SCRIPTS: readonly SampleScript[] = [
  {
    title: "Map a page, use it, unmap it",
    lines: [
      HEADER,
      '{"op":"note","text":"A TCE is a page of memory and what a device may do with it: 1 read, 2 write, 3 both"}',
      '{"op":"write_mem","addr":"0x1000000","data":"48656c6c6f2c20444d4121"}',
      '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x1000003"}',
      '{"op":"dma_read","phb":0,"iova":"0x1000","len":11}',
      '{"op":"h_get_tce","liobn":"0x80000000","ioba":"0x1000"}',
      '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x0"}',
      '{"op":"dma_read","phb":0,"iova":"0x1000","len":11}',
    ],
  },
  {
    title: "A window of 128 TiB",
    lines: [
      HEADER,
      '{"op":"rtas","name":"ibm,query-pe-dma-window","args":[0,134217728,536870912],"nret":5}',
      CREATE,
      '{"op":"h_put_tce","liobn":"0x80000001","ioba":"0x800000000010000","tce":"0x1000003"}',
      '{"op":"h_stuff_tce","liobn":"0x80000001","ioba":"0x800000000020000","tce":"0x2000003","npages":4}',
      '{"op":"dma_read","phb":0,"iova":"0x800000000010000","len":16}',
      '{"op":"rtas","name":"ibm,remove-pe-dma-window","args":[2147483649],"nret":1}',
    ],
  },
  {
    title: "What is refused, and why",
    lines: [
      HEADER,
      '{"op":"h_put_tce","liobn":"0x90000000","ioba":"0x0","tce":"0x3"}',
      '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x40000000","tce":"0x3"}',
      '{"op":"h_put_tce_indirect","liobn":"0x80000000","ioba":"0x0","listAddr":"0x200008","npages":4}',
      '{"op":"h_stuff_tce","liobn":"0x80000000","ioba":"0x0","tce":"0x0","npages":"0x40001"}',
      CREATE,
      CREATE,
      '{"op":"hcall","opcode":"0x24","args":[],"nout":0}',
    ],
  },
  {
    title: "A list of TCEs, to watch with a device under TCG and KVM",
    lines: [
      HEADER,
      CREATE,
      '{"op":"h_put_tce_indirect","liobn":"0x80000001","ioba":"0x800000000000000","list":["0x1000003","0x1010003","0x1020003","0x5000001"]}',
      '{"op":"h_put_tce","liobn":"0x80000001","ioba":"0x800000000010000","tce":"0x7000003"}',
      '{"op":"h_stuff_tce","liobn":"0x80000001","ioba":"0x800000000000000","tce":"0x0","npages":4}',
    ],
  },
];

/** A sample as the text of a script. */
export const textOfSample = ({ lines }: SampleScript): string => `${lines.join("\n")}\n`;
