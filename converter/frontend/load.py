"""Reading ONNX files, with their external data, safely: a model is data from strangers."""
from __future__ import annotations

import os
import stat
from pathlib import Path

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import TensorProto

from ..errors import ConvertError
from .tensors import all_tensors, has_controls

_LIMIT = 2**31 - 1  # protobuf's largest message
_LONGEST_NAME = 4096
_PROSE = {"doc_string", "value"}  # any text; `value` is that of a StringStringEntryProto
_OTHER_FORMATS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model; run 'git lfs pull'"),
    (b"PK\x03\x04", "a zip archive (a PyTorch checkpoint?); export the model to ONNX"),
    (b"\x80\x02", "a Python pickle; export the model to ONNX"),
    (b"<", "an HTML or XML page, not a model; download it again"),
    (b"{", "JSON, not a binary ONNX model"),
)


def load(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> onnx.ModelProto:
    """The model of a path, of bytes or as it is, with all external data read into it.

    ConvertError when it is not a model that this converter can read. Nothing of the model is executed; external data is
    read only from regular files inside the model's folder.
    """
    if isinstance(source, onnx.ModelProto):
        return _checked(source, "model", None)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _checked(_parse(bytes(source), "model"), "model", None)
    if not isinstance(source, (str, os.PathLike)):
        raise ConvertError(f"model: got {type(source).__name__}; pass a path, bytes or an onnx.ModelProto")
    path = os.fspath(source)
    where = f"'{path}'"
    if not isinstance(path, str) or "\0" in path or not path:
        raise ConvertError(f"{where}: not a path of a model")
    fd = _open_regular(path, where, 0)
    with os.fdopen(fd, "rb") as f:
        size = os.fstat(fd).st_size
        if size > _LIMIT:
            raise ConvertError(f"{where}: the file has {size} bytes, a protobuf file at most {_LIMIT}; save the "
                               "model with external data")
        try:
            data = f.read(size + 1)
        except OSError as e:
            raise ConvertError(f"{where}: cannot be read: {e.strerror}") from None
    return _checked(_parse(data, where), where, Path(os.path.realpath(os.path.dirname(path) or ".")))


def _open_regular(path: str, where: str, flags: int) -> int:
    """File descriptor of a regular file; never blocks on a pipe or a device."""
    flags |= os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        fd = os.open(path, flags)
    except (OSError, ValueError) as e:
        missing = isinstance(e, FileNotFoundError)
        what = "does not exist" if missing else f"cannot be opened: {getattr(e, 'strerror', e)}"
        raise ConvertError(f"{where}: {what}; check the path") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        what = "is a folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "is not a regular file"
        os.close(fd)
        raise ConvertError(f"{where}: {what}; pass the path of an ONNX file")
    return fd


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    if not data:
        raise ConvertError(f"{where}: is empty; export or download the model again")
    if len(data) > _LIMIT:
        raise ConvertError(f"{where}: {len(data)} bytes, a protobuf message has at most {_LIMIT}; save the model with "
                           "external data")
    for magic, what in _OTHER_FORMATS:
        if data.startswith(magic):
            raise ConvertError(f"{where}: is {what}")
    if data[4:7] == b"LRM":
        raise ConvertError(f"{where}: is an .lrm file, so it is converted already; give the ONNX model")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError, ValueError):
        raise ConvertError(f"{where}: is not an ONNX model, or is cut off or damaged; get it again") from None
    return model


def _checked(model: onnx.ModelProto, where: str, folder: Path | None) -> onnx.ModelProto:
    """Checks the header and reads external data (a copy when it is the caller's own message)."""
    if not model.HasField("graph") or not model.ir_version:
        raise ConvertError(f"{where}: is not an ONNX model (it has no graph or no IR version); export it again")
    if model.ir_version > onnx.IR_VERSION:
        raise ConvertError(f"{where}: IR version {model.ir_version} is newer than the {onnx.IR_VERSION} that the "
                           f"installed onnx {onnx.__version__} knows; upgrade onnx or export with an older IR version")
    check_opset(model, where)
    _check_text(model, where)
    if model.training_info:
        raise ConvertError(f"{where}: holds a training graph; export the model for inference")
    external = [t for t in all_tensors(model) if t.data_location == TensorProto.EXTERNAL]
    if external and folder is None:
        raise ConvertError(f"{where}: tensor '{external[0].name}' keeps its values in another file; pass the path of "
                           "the model, not its bytes")
    for tensor in external:
        _read_external(tensor, folder, where)
    return model


def check_opset(model: onnx.ModelProto, where: str = "model") -> None:
    """ConvertError when the version of ONNX's own operators is missing, too old or too new."""
    versions = {o.version for o in model.opset_import if o.domain in ("", "ai.onnx")}
    if not versions:
        raise ConvertError(f"{where}: does not say which opset it uses; export it again")
    if len(versions) > 1:
        raise ConvertError(f"{where}: names several opsets ({', '.join(map(str, sorted(versions)))}); export it again")
    version, newest = versions.pop(), onnx.defs.onnx_opset_version()
    if version < 1:
        raise ConvertError(f"{where}: opset {version} does not exist; export the model again")
    if version > newest:
        raise ConvertError(f"{where}: opset {version} is newer than the {newest} that the installed onnx "
                           f"{onnx.__version__} knows; upgrade onnx or export with an older opset")


def _check_text(message: Message, where: str) -> None:
    """ConvertError for names that are not text, which protobuf lets pass, or that would break lines and C strings."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for m in [value] if isinstance(value, Message) else value:
                _check_text(m, where)
        elif field.type == FieldDescriptor.TYPE_STRING and field.name not in _PROSE:
            for text in [value] if isinstance(value, (str, bytes)) else value:
                if not isinstance(text, str) or len(text) > _LONGEST_NAME or has_controls(text):
                    raise ConvertError(f"{where}: a {message.DESCRIPTOR.name} has the {field.name} {text[:40]!r}, "
                                       "which is not a name; the model is damaged")


def _read_external(tensor: onnx.TensorProto, folder: Path, where: str) -> None:
    """Moves a tensor's values from its file into the message."""
    where = f"{where}: tensor '{tensor.name}'"
    info = {e.key: e.value for e in tensor.external_data}
    location = info.get("location", "")
    path = _inside(location, folder, where)
    offset, length = _number(info.get("offset", "0"), "offset", where), _number(info.get("length", ""), "length", where)
    fd = _open_regular(path, f"{where}: external data '{location}'", getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(fd, "rb") as f:
        size = os.fstat(fd).st_size
        length = size - offset if length is None else length
        if offset > size or length > size - offset:
            raise ConvertError(f"{where}: bytes {offset} to {offset + length} of '{location}' are needed, it has "
                               f"{size}; the file is cut off or of another model")
        if length > _LIMIT:
            raise ConvertError(f"{where}: it has {length} bytes, at most {_LIMIT} are supported; split the tensor")
        try:
            f.seek(offset)
            data = f.read(length)
        except OSError as e:
            raise ConvertError(f"{where}: '{location}' cannot be read: {e.strerror}") from None
    if len(data) != length:
        raise ConvertError(f"{where}: '{location}' became shorter while it was read")
    tensor.raw_data = data
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _inside(location: str | bytes, folder: Path, where: str) -> str:
    """Real path of an external data file; ConvertError unless it lies in the model's folder."""
    parts = str(location).replace("\\", "/").split("/")
    if not isinstance(location, str) or "\0" in location or not parts[0] or ":" in parts[0] or ".." in parts:
        raise ConvertError(f"{where}: external data '{location}' is not a relative path inside the model's folder; "
                           "keep the data beside the model")
    path = os.path.realpath(folder / location)
    if not Path(path).is_relative_to(folder):
        raise ConvertError(f"{where}: external data '{location}' leads out of the model's folder; copy the data, not "
                           "a link to it, beside the model")
    return path


def _number(text: str | bytes, key: str, where: str) -> int | None:
    if not text:
        return None
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 18):
        raise ConvertError(f"{where}: its {key} '{text[:40]}' is not a byte count; export the model again")
    return int(text)
