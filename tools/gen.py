#!/usr/bin/env python3
"""Write the C view of spec/: operator codes, attribute structs, post-op codes, schema slots, dispatch tables; and of
the signatures of kernels.inc.

usage: gen.py OUT_H OUT_C OPS KERNELS POSTS TARGET
OPS, KERNELS, POSTS: "all", "none" or a comma-separated list of the operators, kernel signatures and post-ops to build
in; TARGET: the name of this build in `lite-opt build`, for messages
"""
import importlib.util
import re
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec"
# bits of what -Dposts chooses, in words of 64: post-ops have their codes, kinds of reductions and dtypes follow
WORD = 64
REDUCE, CAST, TILE, CASES = 128, 144, 160, 192
TILES = ("gemm_few_rows", "dwconv_5x5")


def load(name):
    spec = importlib.util.spec_from_file_location(name, SPEC / f"{name}.py")
    mod = importlib.util.module_from_spec(spec)
    sys.modules[name] = mod
    spec.loader.exec_module(mod)
    return mod


def word(attr):
    if attr.type == "f32":
        return struct.unpack("<I", struct.pack("<f", attr.default))[0]
    return int(attr.default) & 0xFFFFFFFF


def schema_rows(schema):
    """The schema as data, for programs that walk files without knowing them."""
    scalars = load("fbs").SCALARS
    tables = list(schema.tables.values())
    out = ["enum lr_fb_table {"] + [f"  LR_FB_TABLE_{t.name.upper()}," for t in tables] + ["  LR_FB_TABLES", "};"]
    rows = []
    for t in tables:
        for f in t.fields.values():
            size = scalars[f.type][0] if f.type in scalars else 4
            kind = "INTEGER" if f.type in scalars else "STRING"
            if f.type in ("float", "double"):
                kind = "FLOAT"
            elif f.type in schema.tables:
                kind = "STRUCT" if schema.tables[f.type].struct else "TABLE"
            sub = f"LR_FB_TABLE_{f.type.upper()}" if f.type in schema.tables else "0"
            rows += [f"  X(LR_FB_TABLE_{t.name.upper()}, {f.name}, {f.id}, {kind}, {int(f.vector)}, {size}, {sub})"]
    return [*out, "/* X(table, field, its number, kind, is a vector, bytes of an element, table it refers to) */",
            "#define LR_FB_SCHEMA(X) \\", " \\\n".join(rows)]


def chosen(option, wanted, known):
    """The names that an option asks for."""
    names = set(known) if wanted == "all" else set() if wanted == "none" else set(wanted.split(","))
    if names - set(known):
        sys.exit(f"gen.py: unknown names in -D{option}: {', '.join(sorted(names - set(known)))}; give `all`, `none` or "
                 f"some of {', '.join(known)}")
    return names


def signatures():
    """Kernel signatures in the order of kernels.inc, and those of them that serve pictures: -Dimage decides these; and
    those that every 64-bit ARM has vectors for."""
    lines = (ROOT / "kernels_generic" / "kernels.inc").read_text().splitlines()
    found, pictures, vectors, within = [], set(), set(), False
    for line in lines:
        within = line.startswith("#ifdef LR_IMAGE") or within and not line.startswith("#endif")
        m = re.match(r"LR_KERNEL\((\w+),", line)
        if m and re.search(r", ARM, LR_CPU_neon,", line):
            vectors.add(m[1])
        if m and m[1] not in found:
            found.append(m[1])
            if within:
                pictures.add(m[1])
    return found, pictures, vectors


def cases_of(ops, postops, dtypes):
    """What -Dposts chooses: cases of kernels by name, with their bits. reduce_<kind> is what the reductions' kernels
    do, cast_<dtype> a type that casts are from or to. TILES only save time: other code computes the same bits."""
    kinds = next(a.values for a in ops["reduce"].attrs if a.name == "kind")
    cases = {p.name: p.code for p in postops.values()}
    cases |= {f"reduce_{k}": REDUCE + i for i, k in enumerate(kinds) if k not in ("mean", "l2", "log_sum")}
    cases |= {f"cast_{d.name}": CAST + d.code for d in dtypes.values() if d.name not in ("bf16", "i4", "u4")}
    return cases | {name: TILE + i for i, name in enumerate(TILES)}


def rooms(ops, names):
    """Bytes of the longest of some names, with their zeros."""
    def room(texts):
        return max(map(len, texts)) + 1

    return ["enum {", f"  LR_NAME_ROOM = {room([*ops, *names])}, /* of an operator, a kernel signature or a case */",
            f"  LR_ATTR_ROOM = {room(a.name for o in ops.values() for a in o.attrs)},",
            f"  LR_INPUTS_ROOM = {room(o.inputs for o in ops.values())}", "};"]


def tailoring(sigs, vectors, built, posts, cases, target):
    """What a build was cut down to, as code that is nothing in a full one."""
    masks = [sum(1 << cases[n] % WORD for n in posts if cases[n] // WORD == word) for word in range(CASES // WORD)]
    kernels = sum(1 << i for i, s in enumerate(sigs, 1) if s in built)
    cut = int(set(sigs) != built or set(cases) != posts)
    out = [f'#define LR_TARGET "{target}"', "/* X(signature): all of kernels.inc */", "#define LR_SIGNATURES(X) \\"]
    out += [" \\\n".join(f"  X({s})" for s in sigs)]
    out += ["/* LR_IF_KERNEL_<signature>(code): the code when its kernels are in this build */"]
    out += [f"#define LR_IF_KERNEL_{s}(...){' __VA_ARGS__' if s in built else ''}" for s in sigs]
    out += ["/* LR_UNLESS_NEON_<signature>(code): nothing where a NEON kernel does the same */"]
    out += [f"#define LR_UNLESS_NEON_{s}(...){'' if s in vectors else ' __VA_ARGS__'}" for s in sigs]
    out += [f"enum {{ LR_TAILORED = {cut} }}; /* kernels or post-ops are left out */"]
    out += [f"#define LR_KERNELS_BUILT 0x{kernels:x}ull /* bits by LR_SIG_* */"]
    out += [f"#define LR_POSTS_BUILT_{i} 0x{m:x}ull /* by code - {WORD * i} */" for i, m in enumerate(masks)]
    out += ["/* + kind, + dtype */",
            f"enum {{ LR_CASE_REDUCE = {REDUCE}, LR_CASE_CAST = {CAST} }};",
            f"enum {{ LR_CASE_TILE = {TILE}, LR_CASE_LIMIT = {CASES} }};",
            f"enum {{ {', '.join(f'LR_CASE_{n.upper()} = {TILE + i}' for i, n in enumerate(TILES))} }};",
            "/* names of post-ops and LR_CASE_*, one behind the other by code, \"\" where there is none */",
            "#define LR_CASE_NAMES \\"]
    names = {code: name for name, code in cases.items()}
    out += [" \\\n".join(f'  "{names.get(code, "")}\\0"' for code in range(CASES))]
    return [*out, "/* post-ops and LR_CASE_* */", "#define LR_POST_BUILT(code) \\",
            f"  ((code) < 0 || (((code) < {WORD}    ? LR_POSTS_BUILT_0 \\",
            f"                   : (code) < {2 * WORD} ? LR_POSTS_BUILT_1 \\",
            f"                                  : LR_POSTS_BUILT_2) >> ((code) & {WORD - 1}) & 1))"]


def header(ops, built, postops, schema, more):
    out = ["/* Generated from spec/. */", "#pragma once", "#include <stdint.h>", "enum lr_op_code {"]
    out += [f"  LR_OP_{o.name.upper()} = {o.code}, /* {o.doc} */" for o in ops.values()]
    out += ["};", f"#define LR_OP_LIMIT {max(o.code for o in ops.values()) + 1}"]
    out += ["/* what is in this build: code that serves other operators only is left out by the compiler */", "enum {"]
    out += [f"  LR_HAS_{o.name.upper()} = {int(o.name in built)}," for o in ops.values()]
    bodies = int(any(n in built for n in ("if", "loop", "delegate")))
    out += [f"  LR_HAS_ANY = {int(bool(built))},", f"  LR_HAS_BODIES = {bodies}, /* an operator with subgraphs */"]
    out += [f"  LR_HAS_POST = {int(any(ops[n].post for n in built))} /* an operator with post-op programs */", "};"]
    for o in ops.values():
        for a in o.attrs:
            if a.type == "enum":
                out += [f"enum lr_{o.name}_{a.name} {{"]
                out += [f"  LR_{o.name.upper()}_{a.name.upper()}_{v.upper()} = {i}," for i, v in enumerate(a.values)]
                out += [f"  LR_{o.name.upper()}_{a.name.upper()}_LIMIT = {len(a.values)}", "};"]
        if o.attrs:
            ctype = {"i32": "int32_t", "u32": "uint32_t", "f32": "float", "enum": "uint32_t"}
            out += [f"struct lr_{o.name}_attrs {{"]
            out += [f"  {ctype[a.type]} {a.name}; /* default {a.default}. {a.doc} */" for a in o.attrs] + ["};"]
    out += ["enum lr_postop {"] + [f"  LR_POST_{p.name.upper()} = {p.code}, /* {p.doc} */" for p in postops.values()]
    out += ["};", f"#define LR_POST_LIMIT {max(p.code for p in postops.values()) + 1}"]
    for t in schema.tables.values():
        if not t.struct:
            out += [f"enum lr_fb_{t.name.lower()} {{"]
            out += [f"  LR_FB_{t.name.upper()}_{f.name.upper()} = {f.id}," for f in t.fields.values()] + ["};"]
    out += [f'#define LR_FB_IDENTIFIER "{schema.identifier}"'] + schema_rows(schema)
    # facts of post-ops: arity, allowed dtypes as a bit mask by code, bool result
    codes = {d.name: d.code for d in load("dtypes").DTYPES.values()}
    out += ["/* for kernels, which do not see the API's lr_dtype */", "enum lr_dtype_code {"]
    out += [f"  LR_CODE_{name.upper()} = {code}," for name, code in codes.items()] + ["};"]
    out += ["/* X(code, name, arity, mask of dtypes (1 << lr_dtype), result is bool) */", "#define LR_POSTOPS(X) \\"]
    rows = [f"  X({p.code}, {p.name}, {p.arity}, 0x{sum(1 << codes[d] for d in p.dtypes):x}, {int(p.result == 'bool')})"
            for p in postops.values()]
    return "\n".join([*out, " \\\n".join(rows), *more, ""])


def table(ops, built):
    """Names of all operators, for messages; everything else of those that are built in. Text stands in the tables
    themselves: a pointer costs 32 bytes of a shared library."""
    out = ["/* Generated from spec/. */", '#include "op.h"', "const char lr_op_names[] ="]
    names = {o.code: o.name for o in ops.values()}
    out += [f'  "{names.get(code, "")}\\0"' for code in range(max(names) + 1)] + ["  ;"]
    ops = [o for o in ops.values() if o.name in built]
    for o in ops:
        out += [f"lr_status lr_infer_{o.name}(struct lr_infer *c);", f"extern const struct lr_impl lr_cpu_{o.name};"]
        if o.attrs:
            rows = (f'  {{"{a.name}", {int(a.type == "f32")}, {len(a.values)}, 0x{word(a):x}u}}' for a in o.attrs)
            out += [f"static const struct lr_attr attrs_{o.name}[] = {{", ",\n".join(rows), "};"]
        attrs = f"attrs_{o.name}" if o.attrs else "0"
        out += [f'static const struct lr_op op_{o.name} = {{"{o.inputs}", {o.n_in}, {o.n_out}, {int(o.post)}, '
                f"{len(o.attrs)}, {attrs}, lr_infer_{o.name}}};"]
    out += ["const struct lr_op *const lr_ops[LR_OP_LIMIT] = {"] + [f"  [{o.code}] = &op_{o.name}," for o in ops]
    out += ["  [0] = 0", "};", "const struct lr_impl *const lr_cpu_impls[LR_OP_LIMIT] = {"]
    return "\n".join(out + [f"  [{o.code}] = &lr_cpu_{o.name}," for o in ops] + ["  [0] = 0", "};", ""])


def main():
    out_h, out_c, wanted, kernels, posts, target = sys.argv[1:]
    ops, postops = load("ops").OPS, load("postops").POSTOPS
    built = chosen("ops", wanted, ops)
    sigs, pictures, vectors = signatures()
    cases = cases_of(ops, postops, load("dtypes").DTYPES)
    more = rooms(ops, [*sigs, *cases]) + tailoring(sigs, vectors, chosen("kernels", kernels, sigs) | pictures,
                                                   chosen("posts", posts, cases), cases, target)
    Path(out_h).write_text(header(ops, built, postops, load("fbs").load(), more))
    Path(out_c).write_text(table(ops, built))


main()
