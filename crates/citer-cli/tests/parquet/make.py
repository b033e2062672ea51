#!/usr/bin/env python3
"""Writes the Parquet fixtures, and the same rows as JSON lines.

    pip install pyarrow==26.0.1
    python crates/citer-cli/tests/parquet/make.py

commonsense_qa-validation.parquet has the columns of CommonsenseQA on hubs (Snappy, two row groups), cqa-train.parquet those
of CITER's released labels (zstd, long strings). Some rows of each are wrong on purpose.
"""

import json
import pathlib

import pyarrow
import pyarrow.parquet

FOLDER = pathlib.Path(__file__).parent


def choices(*texts):
    return {"label": list("ABCDE"[: len(texts)]), "text": list(texts)}


def question(id, text, options, key):
    return {"id": id, "question": text, "question_concept": text.split()[-1].strip("?"), "choices": options, "answerKey": key}


def released(id, text, options, key, answer, cot):
    listed = "\n".join(f"{label}. {option}" for label, option in zip(options["label"], options["text"]))
    prompt = f"Question: {text}\nChoices:\n{listed}\n\nAnswer and Reasoning:"
    return {"id": id, "prompt": prompt, "answer": answer, "cot": cot, "question": text, "choices": options, "answerKey": key}


HUB = [
    question("one", "Where do you keep milk cold?", choices("oven", "refrigerator", "lamp"), "B"),
    question("two", "What falls from clouds?", choices("rain", "sand", "keys", "glass", "café"), "A"),
    question("three", "What opens a lock?", choices("spoon", "key"), "C"),
    question("four", "What do bees make?", choices("honey", "paper"), ""),
    question("two", "What is a kitten?", choices("a young cat", "a young dog"), "A"),
    question("six", "What barks?", choices("a fish", "a dog"), "B"),
    question("seven", "What has no gold answer?", choices("this", "that"), None),
]
RELEASED = [
    released("r1", "What do you drink from?", choices("cup", "shoe"), "A", "cup", "Cups hold water. Therefore, the answer is cup (a)."),
    released("r2", "What do you wear on feet?", choices("hats", "shoes"), "A", "shoes", "Shoes. Therefore, the answer is shoes (b)."),
    released("r3", "What do you write with?", choices("pen", "soup"), "A", "pen", "With a pen. Therefore, the answer is pen (a)."),
]


def write(name, rows, text, compression, group):
    lists = pyarrow.list_(text)
    kinds = {"choices": pyarrow.struct([("label", lists), ("text", lists)])}
    schema = pyarrow.schema([(column, kinds.get(column, text)) for column in rows[0]])
    table = pyarrow.Table.from_pylist(rows, schema=schema)
    pyarrow.parquet.write_table(table, FOLDER / f"{name}.parquet", compression=compression, row_group_size=group)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (FOLDER / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


write("commonsense_qa-validation", HUB, pyarrow.string(), "snappy", 4)
write("cqa-train", RELEASED, pyarrow.large_string(), "zstd", 100)
