import { BinaryReader } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { ProtobufWriter } from "../../../src/formats/perfetto/protobuf-writer.ts";
import fc from "../../helpers/fast-check.ts";

describe("ProtobufWriter", () => {
  it.each([0n, 1n, 127n, 128n, 300n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 64n - 1n])(
    "writes %d as another reader reads it",
    (value) => {
      const writer = new ProtobufWriter();
      writer.integer(1, value);
      writer.integer(2, -value);
      const reader = new BinaryReader(writer.take());
      expect(reader.tag()[0]).toBe(1);
      expect(BigInt(reader.uint64())).toBe(value);
      expect(reader.tag()[0]).toBe(2);
      expect(BigInt(reader.uint64())).toBe(BigInt.asUintN(64, -value));
    },
  );

  it("nests messages with texts of any length and numbers of 64 bits", () => {
    const field = fc.integer({ min: 1, max: 2 ** 20 });
    const texts = fc.array(
      fc.record({
        field,
        text: fc.oneof(
          // Any code points, lone surrogates as well.
          fc.array(fc.integer({ min: 0, max: 0x10_ffff })).map((points) => String.fromCodePoint(...points)),
          fc.integer({ min: 40_000, max: 70_000 }).map((length) => "é".repeat(length)),
        ),
        value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(texts, (messages) => {
        const writer = new ProtobufWriter();
        const outer = writer.begin(7);
        for (const { field: number, text, value } of messages) {
          const inner = writer.begin(number);
          writer.text(1, text);
          writer.integer(2, value);
          writer.end(inner);
        }
        writer.end(outer);
        const file = new BinaryReader(writer.take());
        expect(file.tag()[0]).toBe(7);
        const body = new BinaryReader(file.bytes());
        expect(file.pos).toBe(file.len);
        for (const { field: number, text, value } of messages) {
          expect(body.tag()[0]).toBe(number);
          const inner = new BinaryReader(body.bytes());
          expect(inner.tag()[0]).toBe(1);
          // A lone surrogate is no text; encoders write U+FFFD for it.
          expect(inner.string()).toBe(new TextDecoder().decode(new TextEncoder().encode(text)));
          expect(inner.tag()[0]).toBe(2);
          expect(BigInt(inner.uint64())).toBe(value);
          expect(inner.pos).toBe(inner.len);
        }
        expect(body.pos).toBe(body.len);
      }),
      { numRuns: 10 },
    );
  });

  it("starts anew after its bytes were taken", () => {
    const writer = new ProtobufWriter();
    writer.integer(1, 5);
    expect([...writer.take()]).toEqual([8, 5]);
    expect(writer.length).toBe(0);
    writer.integer(2, 6);
    expect([...writer.take()]).toEqual([16, 6]);
  });
});
