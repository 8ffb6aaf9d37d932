"""Which Homebrew formula brings a library, where its name and the formula's are known to belong together."""

from __future__ import annotations

import re
from typing import Final

_SAME: Final = frozenset(
    {
        "snappy", "leveldb", "rocksdb", "portaudio", "glfw", "cairo", "openblas", "hdf5", "netcdf", "gsl", "gmp",
        "mpfr",
        "zstd", "lz4", "webp", "freetype", "fontconfig", "harfbuzz", "jansson", "tesseract", "nettle", "gnutls",
        "poppler",
        "protobuf", "opus", "x264", "x265", "hidapi", "vips", "readline", "sdl2", "imagemagick", "libusb", "libgit2",
        "librdkafka", "libsodium", "libpng", "libtiff", "libpq", "libuv", "libevent", "libssh2", "libffi", "libyaml",
        "libomp", "libvorbis", "libogg", "libarchive", "libmagic", "libsndfile", "libsamplerate", "libheif", "libraw",
        "gdal", "geos", "proj", "assimp", "bullet", "eigen", "qt", "lua", "luajit", "oniguruma", "simdjson",
    }
)  # fmt: skip
_OTHERS: Final = {
    "ssl": "openssl@3", "crypto": "openssl@3", "libssl": "openssl@3", "libcrypto": "openssl@3", "openssl": "openssl@3",
    "png": "libpng", "png16": "libpng", "jpeg": "jpeg-turbo", "turbojpeg": "jpeg-turbo", "libjpeg": "jpeg-turbo",
    "tiff": "libtiff", "libtiff-4": "libtiff", "libwebp": "webp", "mpc": "libmpc", "ffi": "libffi", "yaml": "libyaml",
    "zmq": "zeromq", "libzmq": "zeromq", "sodium": "libsodium", "lzma": "xz", "liblzma": "xz", "pq": "libpq",
    "intl": "gettext", "glib-2.0": "glib", "gobject-2.0": "glib", "gthread-2.0": "glib", "gio-2.0": "glib",
    "pango-1.0": "pango", "pangocairo-1.0": "pango", "pangocairo": "pango", "gtk-3": "gtk+3", "gtk+-3.0": "gtk+3",
    "gtk4": "gtk4", "gdk_pixbuf-2.0": "gdk-pixbuf", "gdk-pixbuf-2.0": "gdk-pixbuf", "SDL2": "sdl2",
    "SDL2_image": "sdl2_image", "SDL2_mixer": "sdl2_mixer", "SDL2_ttf": "sdl2_ttf", "SDL2_gfx": "sdl2_gfx",
    "glfw3": "glfw", "GLEW": "glew", "portaudio-2.0": "portaudio", "sndfile": "libsndfile",
    "samplerate": "libsamplerate",
    "fftw3": "fftw", "fftw3f": "fftw", "usb-1.0": "libusb", "libusb-1.0": "libusb", "event": "libevent", "uv": "libuv",
    "ssh2": "libssh2", "git2": "libgit2", "magic": "libmagic", "archive": "libarchive", "rdkafka": "librdkafka",
    "tbb": "tbb", "omp": "libomp", "opencv4": "opencv",
    "opencv_core": "opencv", "lept": "leptonica", "libavcodec": "ffmpeg", "libavformat": "ffmpeg",
    "libavutil": "ffmpeg",
    "libswscale": "ffmpeg", "avcodec": "ffmpeg", "avformat": "ffmpeg", "avutil": "ffmpeg", "swscale": "ffmpeg",
    "secp256k1": "secp256k1", "unistring": "libunistring", "idn2": "libidn2", "pcre2-8": "pcre2",
    "libpcre2-8": "pcre2", "onig": "oniguruma", "freetype2": "freetype", "vorbis": "libvorbis", "ogg": "libogg",
    "FLAC": "flac", "mp3lame": "lame", "MagickWand": "imagemagick", "MagickCore": "imagemagick", "grpc++": "grpc",
    "vips-cpp": "vips", "vulkan": "vulkan-loader", "geos_c": "geos", "mysqlclient": "mysql-client", "tag": "taglib",
    "leptonica": "leptonica", "jq": "jq", "sass": "libsass", "icuuc": "icu4c", "icui18n": "icu4c",
    "icudata": "icu4c", "icu-uc": "icu4c", "icu-i18n": "icu4c",
}  # fmt: skip
_BOOST: Final = re.compile(r"boost_\w+(?:-mt)?$")


def formula_for(name: str) -> str:
    """Return the formula that brings a library.

    Args:
        name: As the linker (``-lNAME``) or pkg-config knows it.

    Returns:
        ``""`` where the name is not known: a formula is no guess.
    """
    if name in _SAME:
        return name
    return "boost" if _BOOST.match(name) else _OTHERS.get(name, "")
