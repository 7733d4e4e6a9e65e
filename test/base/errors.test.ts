import { describe, expect, it } from "vitest";
import { isErrno } from "../../src/base/errno.ts";
import { IommuError } from "../../src/base/errors.ts";
import { permText } from "../../src/base/permission.ts";

describe("IommuError", () => {
  it("carries a code to branch on, the values of its message, and its cause", () => {
    const cause = new Error("below");
    const error = new IommuError("BAD_FILE", "x: byte 7", { path: "x", offset: 7 }, { cause });
    expect(error).toBeInstanceOf(Error);
    expect(`${error}`).toBe("IommuError: x: byte 7");
    expect([error.code, error.details, error.cause]).toEqual(["BAD_FILE", { path: "x", offset: 7 }, cause]);
    expect(error.stack).toContain("errors.test.ts");
  });

  it("has no details and no cause unless it is given some", () => {
    const error = new IommuError("UNSUPPORTED", "not here");
    expect(error.details).toEqual({});
    expect("cause" in error).toBe(false);
  });
});

it("an answer is an error if it is a name, and a value otherwise", () => {
  expect([isErrno("ENOMEM"), isErrno(0), isErrno({ start: 0n }), isErrno(undefined)]).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

it("permissions are two letters", () => {
  expect(([0, 1, 2, 3] as const).map(permText)).toEqual(["--", "r-", "-w", "rw"]);
});
