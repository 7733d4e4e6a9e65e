/* Guest-physical layout and script encoding, shared with src/live/firmware/layout.ts. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define STAGE_ADDR   0x8000UL      /* one page a test device copies through     */
#define RTAS_ADDR    0x9000UL      /* RTAS argument buffer of the firmware      */
#define TEXT_ADDR    0x10000
#define MBOX_ADDR    0x100000UL    /* survives a reset                          */
#define SCRIPT_ADDR  0x4000000UL   /* written by the driver before start        */
#define RESULT_ADDR  0x8000000UL   /* read by the driver after the machine ends */

#define MBOX_MAGIC   0x535041505254424cUL

/*
 * A script is a sequence of records of 64-bit big-endian words:
 *     word 0: kind, word 1: length of the record in words (these two included)
 */
#define K_END    0  /*                                         -> (power off)   */
#define K_HCALL  1  /* nout, opcode, args...                   -> r3, r4..      */
#define K_WRITE  2  /* addr, nbytes, data padded to words      ->               */
#define K_READ   3  /* addr, nbytes                            -> padded data   */
#define K_POLL   4  /* mask, value, limit, opcode, args...     -> spins         */
#define K_REBOOT 5  /*                                         -> (restart)     */
#define K_BENCH  6  /* count, step1, wrap1, step2, opcode, args... -> ticks, rc */
#define K_SCAN   7  /* count, step, liobn, ioba   -> nruns, {index, r3, r4}...  */
#define K_FDT    8  /*                                         -> nbytes, data  */
#define K_FILL   9  /* addr, nbytes, word                      ->               */
#define K_DMA    10 /* dir, mmio, iova, nbytes, marker, liobn0, liobn1, base32,
                       base64, data...         -> staged, timeouts, padded data */

/* Lookups of these never-assigned LIOBNs bracket a DMA in the trace output. */
#define MARK_BEGIN   0xfffffffeUL
#define MARK_END     0xfffffffdUL

/* Registers and buffer of the "edu" PCI device. */
#define EDU_SRC      0x80
#define EDU_DST      0x88
#define EDU_CNT      0x90
#define EDU_CMD      0x98
#define EDU_BUF      0x40000UL
#define EDU_TEST     (EDU_BUF + 4080)   /* last bytes: staging self-test */

#endif
