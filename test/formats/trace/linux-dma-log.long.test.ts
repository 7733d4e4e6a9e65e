// All rows of it.
import "./linux-dma-log.test.ts";
