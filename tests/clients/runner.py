"""Runs the tests of one module and ends with the line `N passed, N failed`."""

import unittest


def run(module):
    """The exit code: 0 all passed, 1 something failed or nothing ran."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(verbosity=2, stream=None).run(suite)
    broken = {test.id() if not hasattr(test, "test_case") else test.test_case.id() for test, _ in result.failures + result.errors}
    passed = result.testsRun - len(broken)
    print(f"{passed} passed, {len(broken)} failed", flush=True)
    return 0 if passed > 0 and not broken else 1
