"""Media types by file name, the same on every machine and on every Python version."""

from __future__ import annotations

import mimetypes
import os

UNKNOWN_TYPE = "application/octet-stream"

_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"

# What Python's own table lacks or has differently in some version, up to the one that becomes 3.15,
# and what it takes for something else. The rest of its table is the same in every version.
_TYPES = {
    # Documents
    ".7z": "application/x-7z-compressed",
    ".apk": "application/vnd.android.package-archive",
    ".ass": "text/x-ssa",  # subtitles, which Python takes for sound
    ".asc": "text/plain",
    ".cjs": "text/javascript",
    ".deb": "application/x-debian-package",
    ".docm": "application/vnd.ms-word.document.macroenabled.12",
    ".docx": f"{_OPEN_XML}.wordprocessingml.document",
    ".dotx": f"{_OPEN_XML}.wordprocessingml.template",
    ".eot": "application/vnd.ms-fontobject",
    ".epub": "application/epub+zip",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".gpx": "application/gpx+xml",
    ".ics": "text/calendar",
    ".ifb": "text/calendar",
    ".js": "text/javascript",
    ".key": "application/vnd.apple.keynote",
    ".kml": "application/vnd.google-earth.kml+xml",
    ".log": "text/plain",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".msg": "application/vnd.ms-outlook",
    ".numbers": "application/vnd.apple.numbers",
    ".odg": f"{_OPEN_DOCUMENT}.graphics",
    ".odp": f"{_OPEN_DOCUMENT}.presentation",
    ".ods": f"{_OPEN_DOCUMENT}.spreadsheet",
    ".odt": f"{_OPEN_DOCUMENT}.text",
    ".ogx": "application/ogg",
    ".otf": "font/otf",
    ".p7m": "application/pkcs7-mime",
    ".p7s": "application/pkcs7-signature",
    ".pages": "application/vnd.apple.pages",
    ".php": "application/x-httpd-php",
    ".pkpass": "application/vnd.apple.pkpass",
    ".ppsx": f"{_OPEN_XML}.presentationml.slideshow",
    ".pptx": f"{_OPEN_XML}.presentationml.presentation",
    ".rar": "application/vnd.rar",
    ".rpm": "application/x-rpm",
    ".rst": "text/x-rst",
    ".rtf": "application/rtf",
    ".stl": "model/stl",
    ".texi": "application/x-texinfo",
    ".texinfo": "application/x-texinfo",
    ".toml": "application/toml",
    ".ttf": "font/ttf",
    ".vcard": "text/vcard",
    ".vcf": "text/vcard",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    ".xlsx": f"{_OPEN_XML}.spreadsheetml.sheet",
    ".xltx": f"{_OPEN_XML}.spreadsheetml.template",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    # Images
    ".apng": "image/apng",
    ".avif": "image/avif",
    ".emf": "image/emf",
    ".fits": "image/fits",
    ".g3": "image/g3fax",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jfif": "image/jpeg",
    ".jp2": "image/jp2",
    ".jpm": "image/jpm",
    ".jpx": "image/jpx",
    ".jxl": "image/jxl",
    ".pct": "image/x-pict",
    ".pic": "image/x-pict",
    ".pict": "image/x-pict",
    ".pjpeg": "image/jpeg",
    ".t38": "image/t38",
    ".tfx": "image/tiff-fx",
    ".webp": "image/webp",
    ".wmf": "image/wmf",
    # Sound
    ".aac": "audio/aac",
    ".amr": "audio/amr",
    ".awb": "audio/amr-wb",
    ".caf": "audio/x-caf",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".mid": "audio/midi",
    ".midi": "audio/midi",
    ".mka": "audio/matroska",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".wav": "audio/x-wav",
    ".weba": "audio/webm",
    ".wma": "audio/x-ms-wma",
    # Video; Python takes films of mobile phones for sound
    ".3g2": "video/3gpp2",
    ".3gp": "video/3gpp",
    ".3gpp": "video/3gpp",
    ".3gpp2": "video/3gpp2",
    ".avi": "video/x-msvideo",
    ".flv": "video/x-flv",
    ".m4v": "video/x-m4v",
    ".mk3d": "video/matroska-3d",
    ".mkv": "video/matroska",
    ".ogv": "video/ogg",
    ".wmv": "video/x-ms-wmv",
}

# What is compressed is of the type of the compression, whatever is in it.
_COMPRESSED_TYPES = {
    ".br": "application/x-brotli",
    ".bz2": "application/x-bzip2",
    ".gz": "application/gzip",
    ".lz4": "application/x-lz4",
    ".svgz": "application/gzip",
    ".taz": "application/gzip",
    ".tbz2": "application/x-bzip2",
    ".tgz": "application/gzip",
    ".txz": "application/x-xz",
    ".tz": "application/gzip",
    ".xz": "application/x-xz",
    ".z": "application/x-compress",
    ".zst": "application/zstd",
}


def guess_type(name: str) -> str | None:
    """Return the media type that fits the ending of a file's name; None if it has no ending.

    An ending that is not known gives `application/octet-stream`.
    """
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122  # a Path drops a trailing slash
    if not suffix.strip("."):
        return None
    known = _COMPRESSED_TYPES.get(suffix) or _TYPES.get(suffix)
    # A new object has Python's own table only, without the tables of the system.
    return known or mimetypes.MimeTypes().types_map[True].get(suffix, UNKNOWN_TYPE)
