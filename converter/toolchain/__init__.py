"""From models to a library for a device: targets, their compilers, what models need, and the build."""
