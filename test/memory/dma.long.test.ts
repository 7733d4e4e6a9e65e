// All rows of it.
import "./dma.test.ts";
