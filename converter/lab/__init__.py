"""Running models on another machine: under qemu, over ssh, on an Android phone by adb."""
