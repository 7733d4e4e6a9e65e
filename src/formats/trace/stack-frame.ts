/**
 * Frames of call stacks, as the tools print them.
 *
 *     nvme_remove                                         the kernel's trace
 *     nvme_remove+0x77/0x1a0 <ffffffffc03c2af7>           ... with its options sym-offset and sym-addr
 *     0xffffffffc03c2af7                                  ... of a module that is gone
 *     nvme_remove (ffffffffc03c2af7)                      trace-cmd report
 *     ffffffffc03c2af7 nvme_remove+0x77 ([nvme])          perf script
 *
 * @module
 */

/** A frame of a call stack. */
export interface StackFrame {
  /** The function alone, or the address where it has no name. */
  readonly name: string;
  /** With what tells two calls of one function apart, and the module. */
  readonly text: string;
  /** Is the function no caller of the DMA API, but below it? */
  readonly isBelowCaller: boolean;
}

const PERF_FRAME = /^([0-9a-f]{6,16})(?: (.*?))?(?: \((.*)\))?$/;
const UNKNOWN = "[unknown]";
/** What perf calls the kernel itself. */
const KERNEL = /^\[kernel\.kallsyms\]|^\[guest\.kernel\.kallsyms|vmlinux/;

/** Reads a frame. */
export function readFrame(line: string): StackFrame {
  const perf = PERF_FRAME.exec(line);
  if (perf === null) return frame(nameOf(line), line);
  const [, address, symbol = UNKNOWN, object = ""] = perf;
  const where = object === "" || object === UNKNOWN || KERNEL.test(object) ? "" : ` ${object}`;
  if (symbol === UNKNOWN) return frame(`0x${address}`, `0x${address}${where}`);
  const exact = symbol.includes("+0x") ? symbol : `${symbol} (${address})`;
  return frame(nameOf(symbol), `${exact}${where}`);
}

const frame = (name: string, text: string): StackFrame => ({ name, text, isBelowCaller: BELOW.test(name) });

/** Names of C++ have blanks; what follows the function's own is an offset or an address. */
const nameOf = (text: string): string =>
  text
    .replace(/ \[[^\]]*\]$/, "")
    .replace(/(?:\+0x[0-9a-f]+(?:\/0x[0-9a-f]+)?)?(?: [(<][0-9a-f]{6,16}[)>])?$/, "");

/**
 * What lies between a tracepoint and the caller of the DMA API: the tracer (`trace_event_raw_event_…`, `__traceiter_…`,
 * `perf_trace_…`), the DMA API with its pools and managed forms (`dma_map_page_attrs`, `dma_pool_alloc`,
 * `dmam_alloc_attrs`), and what implements it (`iommu_dma_map_page`, `dma_direct_…`, `swiotlb_…`, `tce_…`).
 */
const BELOW =
  /^_*(?:trace_|traceiter_|do_trace_|bpf_trace_|perf_trace_|perf_tp_|ftrace_|ring_buffer_|stack_trace_|dmam?_|iommu_|swiotlb_|tce_|debug_dma_)/;
