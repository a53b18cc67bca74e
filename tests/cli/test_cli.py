#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The program `sallyport` as a shell sees it: exit codes and messages of everything that needs no running gateway.

usage: test_cli.py SALLYPORT EXAMPLE_YAML COMPLETION_FILE
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, EXAMPLE, COMPLETION = (os.path.abspath(argument) for argument in sys.argv[1:4])


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="sallyport-cli-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.mkdir(f"{self.directory}/secrets")
        self.write("secrets/berlin.psk", "correct horse battery staple\n", 0o600)
        with open(EXAMPLE, encoding="utf-8") as example:
            self.good = example.read()
        self.config = self.write("gateway.yaml", self.good, 0o644)

    def write(self, name, text, mode):
        path = f"{self.directory}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def run_program(self, *arguments):
        return subprocess.run([PROGRAM, "--run-dir", self.directory, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20, check=False)

    def expect(self, code, text, *arguments):
        result = self.run_program(*arguments)
        self.assertEqual(result.returncode, code, result)
        self.assertIn(text, result.stdout + result.stderr)
        return result

    def test_check_accepts_the_example(self):
        result = self.expect(0, "good: gateway hq, 3 ports", "check", self.config)
        self.assertEqual(result.stderr, "")

    def test_check_reports_every_mistake_with_its_place(self):
        bad = self.write("bad.yaml", self.good.replace("rekey: 1h", "rekay: 1h").replace("10.20.0.0/16", "10.20.1.0/16"),
                         0o644)
        result = self.expect(2, "2 mistakes", "check", bad)
        lines = self.good.splitlines()
        esp = next(i for i, line in enumerate(lines) if "rekey" in line)
        self.assertIn(f"{bad}:{esp + 1}:{lines[esp].index('rekey') + 1}: ", result.stderr)
        self.assertIn("did you mean 'rekey'?", result.stderr)
        self.assertIn("the prefix is 10.20.0.0/16", result.stderr)

    def test_check_never_shows_a_secret(self):
        os.chmod(f"{self.directory}/secrets/berlin.psk", 0o644)
        result = self.expect(2, "chmod 600", "check", self.config)
        self.assertNotIn("correct horse", result.stdout + result.stderr)

    def test_files_that_cannot_be_read(self):
        self.expect(2, "No such file", "check", f"{self.directory}/none.yaml")
        self.expect(2, "Is a directory", "check", self.directory)
        self.expect(2, "No such file", "apply", "--yes", f"{self.directory}/none.yaml")

    def test_without_a_gateway_one_line_and_what_to_do(self):
        verbs = [("show", noun) for noun in ("gateway", "ports", "connections", "tunnels", "sas", "routes",
                                             "neighbours", "drops", "events")]
        verbs += [("up", "x"), ("down", "x"), ("rekey", "x"), ("why", "x"), ("why", "x", "--json"), ("apply", self.config), ("show", "tunnels", "--watch")]
        for arguments in verbs:
            result = self.expect(1, f"no gateway runs in {self.directory}", *arguments)
            self.assertEqual(result.stdout, "", arguments)
            self.assertEqual(result.stderr.count("\n"), 1, arguments)

    def test_a_run_directory_with_a_name_too_long(self):
        result = subprocess.run([PROGRAM, "--run-dir", "/" + "x" * 120, "show", "ports"], capture_output=True,
                                text=True, timeout=20, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("too long", result.stderr)

    def test_wrong_command_lines(self):
        for arguments, text in [((), "subcommand is required"), (("frob",), "there is no 'frob'"),
                                (("show",), "subcommand is required"), (("show", "tunnles"), "did you mean 'tunnels'?"),
                                (("check",), "FILE is required"), (("up",), "CONNECTION is required"),
                                (("show", "ports", "--watch"), "--watch"), (("apply", "--nope", "x"), "--nope"),
                                (("up", "../etc"), "can't be the name of a connection"),
                                (("why",), "CONNECTION is required"), (("why", "a/../b"), "can't be the name of a connection")]:
            result = self.expect(2, text, *arguments)
            self.assertEqual(result.stderr.count("\n"), 1, arguments)

    def test_help_and_version(self):
        self.expect(0, "Usage: sallyport", "--help")
        self.expect(0, "--watch", "show", "tunnels", "--help")
        self.expect(0, "sallyport 0.", "version")

    def test_dataplane_args(self):
        result = self.expect(0, "--workers 1,2 --idle poll --huge --memory ", "dataplane-args", self.config)
        self.assertEqual(len(result.stdout.split()), 11)

    def complete(self, *words):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sallyport; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        result = subprocess.run(["bash", "-c", script, "bash", COMPLETION, PROGRAM, *words], capture_output=True,
                                text=True, timeout=20, check=True)
        return result.stdout.split()

    def test_completion(self):
        with open(COMPLETION, encoding="utf-8") as file:
            self.assertEqual(self.expect(0, "_sallyport", "completion", "bash").stdout, file.read())
        self.assertEqual(self.complete("sh"), ["show"])
        self.assertEqual(self.complete("show", "t"), ["tunnels"])
        self.assertEqual(self.complete("--run-dir", self.directory, "show", "ne"), ["neighbours"])
        self.assertEqual(self.complete("show", "drops", "--a"), ["--all"])
        self.assertEqual(self.complete("why", "--"), ["--json", "--help"])
        self.assertEqual(self.complete("apply", "--"), ["--yes", "--dry-run", "--help"])
        self.assertEqual(self.complete("check", f"{self.directory}/gate"), [self.config])

    def test_completion_offers_what_the_program_has(self):
        help_text = self.run_program("--help").stdout
        for verb in self.complete(""):
            if not verb.startswith("-"):
                self.assertIn(f"  {verb} ", help_text)
        show_help = self.run_program("show", "--help").stdout
        for noun in self.complete("show", ""):
            self.assertIn(f"  {noun} ", show_help)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
