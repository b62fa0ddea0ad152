#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at every state of a Promela model with spin.

    verify.py life.pml                     no assertion may fail, and all states are seen
    verify.py life.pml --broken QUIESCE    without that rule, one must fail
    verify.py life.pml --define MESSAGES=2 a larger run, by hand
    verify.py --transitions                the model's table is the code's

With --trail the counter-example is printed step by step.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DEPTH = 1_000_000     # of the search; deeper than any of ours
MEMORY_MIB = 4096     # of states; a model that grows beyond it is to be made smaller
CODE_ROW = re.compile(r"\{\s*(EVENT_\w+),\s*\{\s*(ROUTE_\w+),\s*(STAGE_\w+)\s*\},"
                      r"\s*\{\s*(ROUTE_\w+),\s*(STAGE_\w+)\s*\}\s*\}")
MODEL_ROW = re.compile(r"^\tROW\((\w+), (\w+), (\w+), (\w+), (\w+)\)$", re.M)


def run(arguments, directory):
    done = subprocess.run(arguments, cwd=directory, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}: {done.stdout}")
    return done.stdout


def defines(options):
    wanted = [f"-D{d}" for d in options.define]
    return wanted + ([f"-DBREAK_{options.broken}"] if options.broken else [])


def search(options, directory):
    """What pan says about the whole state space."""
    model = os.path.join(HERE, options.model)
    run(["spin", *defines(options), "-a", model], directory)
    # a search that ends at the first fault is over before an optimizer would be
    speed = "-O0" if options.broken else "-O2"
    run(["cc", speed, "-w", "-DSAFETY", "-DNOCLAIM", f"-DMEMLIM={MEMORY_MIB}", "-o", "pan",
         "pan.c"], directory)
    return run(["./pan", f"-m{DEPTH}", "-w24"], directory)


def judge(options, said, directory):
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"([\d.e+]+) states, stored", said)
    if not errors or "out of memory" in said or "max search depth too small" in said:
        sys.exit(f"the search was not completed:\n{said}")
    violated = re.search(r"assertion violated (.*) \(at", said)
    found = violated.group(1) if violated else None
    print(f"{options.model} {' '.join(defines(options))}: {states.group(1)} states,",
          f"violated: {found}" if found else "nothing violated")
    if options.trail and found:
        trail = [name for name in os.listdir(directory) if name.endswith(".trail")]
        print(run(["spin", *defines(options), "-t", "-k", trail[0], "-p", "-g",
                   os.path.join(HERE, options.model)], directory))
    if errors.group(1) != "0" and not found:
        sys.exit(said)  # a state without a way out is a mistake of the model
    return bool(found) == bool(options.broken)


def rows(path, pattern):
    with open(path, encoding="utf-8") as file:
        return pattern.findall(re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S))


def compare_transitions():
    code = rows(os.path.join(HERE, "../../lib/registry/transition.c"), CODE_ROW)
    model = rows(os.path.join(HERE, "life.pml"), MODEL_ROW)
    for name, more, less in (("transition.c", code, model), ("life.pml", model, code)):
        for row in sorted(set(more) - set(less)):
            print(f"only in {name}: {' '.join(row)}")
        if len(set(more)) < len(more):
            print(f"a row is there twice in {name}")
    print(f"{len(code)} rows")
    return bool(code) and sorted(code) == sorted(model)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--broken")
    parser.add_argument("--define", action="append", default=[])
    parser.add_argument("--trail", action="store_true")
    parser.add_argument("--transitions", action="store_true")
    options = parser.parse_args()
    if options.transitions:
        return 0 if compare_transitions() else 1
    with tempfile.TemporaryDirectory() as directory:
        said = search(options, directory)
        return 0 if judge(options, said, directory) else 1


if __name__ == "__main__":
    sys.exit(main())
