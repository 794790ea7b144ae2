"""Says at the end how far the gradients were from what they should be."""

import keras


def pytest_terminal_summary(terminalreporter):
    largest = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for key, found in getattr(report, "user_properties", []):
                if key == "oracle":
                    name, error = found
                    largest[name] = max(error, largest.get(name, 0.0))
    if largest:
        terminalreporter.section(f"gradient oracle on {keras.config.backend()}")
        for name, error in largest.items():
            terminalreporter.line(f"{name:8} largest relative error of a gradient {error:.1e}")
