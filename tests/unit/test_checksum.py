"""The checksums that record files and object stores use."""

import array

import pytest

from recordfs._core import crc32c, masked_crc32c


def test_crc32c_gives_the_values_of_the_rfc():
    # RFC 3720, appendix B.4
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65_535, 65_536, 300_001])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_pieces_give_the_same_as_the_whole(size, kind):
    data = bytes(i * 31 % 251 for i in range(size))
    for cut in {0, size // 3, size}:
        assert crc32c(kind(data[cut:]), crc32c(kind(data[:cut]))) == crc32c(data)


def test_the_masked_form_is_what_a_record_begins_with():
    # The header of a zero-length record as TensorFlow writes it: the length, then its masked checksum.
    assert masked_crc32c(bytes(8)).to_bytes(4, "little").hex() == "29039807"


def test_what_is_no_flat_buffer_is_refused():
    with pytest.raises(TypeError):
        crc32c("text")
    with pytest.raises(BufferError):
        crc32c(memoryview(array.array("B", range(10)))[::2])
