"""Building for Android by what PyPI has: ziglang compiles and links against own headers and stubs of bionic."""
