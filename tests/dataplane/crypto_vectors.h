// SPDX-License-Identifier: BSD-3-Clause
// Published test vectors that ESP's shape of nonce and AAD admits. GCM: draft-mcgrew-gcm-test-01 section 4,
// and NIST's CAVP (gcmEncryptExtIV, 96-bit IV, 408-bit text, 128-bit AAD); GMAC: CAVP with an empty text,
// whose AAD is cut into our AAD, IV and text; ChaCha20-Poly1305: RFC 7634 appendix A; HMAC: RFC 4868
// section 2.7.2 and RFC 2202 section 3, whose data is cut into ESP header and text. CAVP has no CCM vector
// with ESP's nonce of 11 bytes and an AAD this short: OpenSSL stands for them (esp_algorithms_test.cpp).
#pragma once

#include <array>

#include "dataplane/api/algorithm.h"

namespace sallyport::dataplane::testing {

// All in hexadecimal.
struct CryptoVector {
  const char* name;
  api::Algorithm algorithm;
  api::Integrity integrity;
  const char* key;  // without salt
  const char* integrity_key;
  const char* nonce;  // salt and IV
  const char* aad;    // of an HMAC: the ESP header
  const char* iv;     // as in the packet
  const char* text;
  const char* ciphertext;
  const char* icv;
};

inline constexpr std::array kCryptoVectors = {
    CryptoVector{"esp_gcm_1", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "4c80cdefbb5d10da906ac73c3613a634", "", "2e443b684956ed7e3b244cfe",
                 "000043218765432100000000", "4956ed7e3b244cfe",
                 "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f75647"
                 "0037369700963796265726369747902646b000021000101020201",
                 "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a"
                 "13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732",
                 "459018148f6cbe722fd04796562dfdb4"},
    CryptoVector{"esp_gcm_2", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "feffe9928665731c6d6a8f9467308308", "", "cafebabefacedbaddecaf888", "0000a5f80000000a",
                 "facedbaddecaf888",
                 "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100000100000000000003736970096"
                 "3796265726369747902646b00000100010001",
                 "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec4"
                 "16642cfbb85a5b47e48a4ec3b9ba95d918bd1",
                 "83b70d3aa8bc6ee4c309e9d85a41ad4a"},
    CryptoVector{"esp_gcm_3", api::Algorithm::kAes256Gcm16, api::Integrity::kNone,
                 "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "",
                 "112233440102030405060708", "4a2cbfe300000002", "0102030405060708",
                 "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4010"
                 "1040201020201",
                 "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f1"
                 "4e99def842d8e",
                 "b335f4eecfdbf831824b4c4915956c96"},
    CryptoVector{"esp_gcm_4", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "00000000000000000000000000000000", "", "000000000000000000000000", "0000000000000001",
                 "0000000000000000",
                 "4500003c99c500008001cb7a40679318010101010800075c020044006162636465666768696a6b6c6d6e6f70717"
                 "2737475767761626364656667686901020201",
                 "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284456476492719ffb64de7d9dca1e"
                 "1d894bc3bd57873ed4d181d19d4d5c8c18af3",
                 "f821d496eeb096e98ad2b69e4799c71d"},
    CryptoVector{"esp_gcm_5", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "3de09874b388e6491988d0c3607eae1f", "", "57690e434e280000a2fca1a3",
                 "42f67e3f1010101010101010", "4e280000a2fca1a3",
                 "4500003c99c300008001cb7c40679318010101010800085c020043006162636465666768696a6b6c6d6e6f70717"
                 "2737475767761626364656667686901020201",
                 "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c35791765acbd8701ad79845bf9fe3fba4"
                 "87bc91755e6662b4c8d0d1f5e22739530320a",
                 "e0d731cc978ecafaeae88f00e80d6e48"},
    CryptoVector{
        "esp_gcm_6", api::Algorithm::kAes128Gcm16, api::Integrity::kNone, "3de09874b388e6491988d0c3607eae1f",
        "", "57690e434e280000a2fca1a3", "42f67e3f1010101010101010", "4e280000a2fca1a3",
        "4500001c42a200008001441f406793b6e00000020a00f5ff01020201",
        "fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed", "369f071f35e034be95f112e4e7d05d35"},
    CryptoVector{"esp_gcm_7", api::Algorithm::kAes192Gcm16, api::Integrity::kNone,
                 "feffe9928665731c6d6a8f9467308308feffe9928665731c", "", "cafebabefacedbaddecaf888",
                 "0000a5f80000000a", "facedbaddecaf888",
                 "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
                 "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77",
                 "95457b9652037f5318027b5b4cd7a636"},
    CryptoVector{"esp_gcm_8", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "abbccddef00112233445566778899aab", "", "decaf888cafedebaceface74",
                 "000001000000000000000001", "cafedebaceface74",
                 "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d500004e20001e8c18d75b81dc91b"
                 "aa0476b91b924b280389d92c963bac046ec959b6266c04722b14923010101",
                 "18a6fd42f72cbf4ab2a2ea901f73d814e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965"
                 "d7472b79da345e0e780191f0d2f0e0f496c226f2127b27db35724e7845d68",
                 "651f57e65f354f75ff17015769623436"},
    CryptoVector{"esp_gcm_9", api::Algorithm::kAes256Gcm16, api::Integrity::kNone,
                 "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "",
                 "73616c74616e640169766563", "17405e67156f3126dd0db99b", "616e640169766563",
                 "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001",
                 "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e",
                 "451626c2415771e3b7eebca614c89b35"},
    CryptoVector{"esp_gcm_10", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "3de09874b388e6491988d0c3607eae1f", "", "57690e434e280000a2fca1a3",
                 "42f67e3f1010101010101010", "4e280000a2fca1a3",
                 "45000049333e00007f119182c3fb1d10c2b1d326c02831ce0035cb458003025b000001e0001e8c18d65759d5228"
                 "4a0352c71475c8880391c764d6e5ee0496b325ae270c03899493915010101",
                 "fba2cad12fc1f9f00d3cebf305410db83d7784b607323d220f24b0a97d54182800cadb0f68d99ef0e0c0c89ae9b"
                 "ea8884e52d65bc1afd0740f742444747b5b39ab533163aad4550ee5160975",
                 "cdb608c5769189609763b8e18caa81e2"},
    CryptoVector{"esp_gcm_11", api::Algorithm::kAes256Gcm16, api::Integrity::kNone,
                 "abbccddef00112233445566778899aababbccddef00112233445566778899aab", "",
                 "73616c74616e640169766563", "17405e67156f3126dd0db99b", "616e640169766563",
                 "636973636f0172756c657301746865016e6574776501646566696e6501746865746563686e6f6c6f67696573017"
                 "468617477696c6c01646566696e65746f6d6f72726f7701020201",
                 "d4b7ed86a1777f2ea13d6973d324c69e7b43f826fb56831226508bebd2dceb18d0a6df10e5487df074113e14c64"
                 "1024e3e6773d91a62ee429b043a10e3efe6b012a49363412364f8",
                 "c0cac587f249e56b11e24f30e44ccc76"},
    CryptoVector{"esp_gcm_12", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "7d773d00c144c525ac619d18c84a3f47", "", "d966426743457e9182443bc6", "335467aeffffffff",
                 "43457e9182443bc6", "01020201", "437f866b", "cb3f699fe9b0822bac961c4504bef270"},
    CryptoVector{"esp_gcm_13", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "abbccddef00112233445566778899aab", "", "decaf888cafedebaceface74",
                 "000001000000000000000001", "cafedebaceface74", "746f016265016f72016e6f7401746f0162650001",
                 "29c9fc69a197d038ccdd14e2ddfcaa0543332164", "412503524303ed3c6c5f283843af8c3e"},
    CryptoVector{"esp_gcm_14", api::Algorithm::kAes256Gcm16, api::Integrity::kNone,
                 "6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961", "",
                 "7475726e333021696765746d", "796b6963ffffffffffffffff", "333021696765746d",
                 "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f70717"
                 "2737401020201",
                 "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57"
                 "dbe821dcc63b9",
                 "d0937ba2945f669368661a329fb4c053"},
    CryptoVector{"cavp_gcm_128_128", api::Algorithm::kAes128Gcm16, api::Integrity::kNone,
                 "b61553bb854895b929751cd0c5f80384", "", "8863f999ae64e55d0bbd7457",
                 "d914b5f2d1b08ce53ea59cb310587245", "ae64e55d0bbd7457",
                 "9b1b113217d0c4ea7943cf123c69c6ad2e3c97368c51c9754145d155dde1ee8640c8cafff17a5c9737d26a137ee"
                 "e4bf369096d",
                 "acfab4632b8a25805112f13d85e082bc89dc49bd92164fa8a2dad242c3a1b2f2696f2fdff579025f3f146ea97da"
                 "3e47dc34b65",
                 "5d9b5f4a9868c1c69cbd6fd851f01340"},
    CryptoVector{"cavp_gcm_128_96", api::Algorithm::kAes128Gcm12, api::Integrity::kNone,
                 "0493024bab2833edef571ce7224750ab", "", "ab8dedbcdc57f283493fe7b3",
                 "8aca2645dd27195855b62f7d39ace11e", "dc57f283493fe7b3",
                 "5f6691c5813169d128e7af7678281085af09fb1ddacfc89e1a14cf14372d74eda6298a0772a594eb5a80a4c56b6"
                 "5744c2347d2",
                 "b5d0733ade2203f5095bff60c9f5abef7770e38a56a9699e9608a69969141a912a0b186f7cabe2dc187cb77331c"
                 "625832510e2",
                 "d34a843edbf8234abffeb7de"},
    CryptoVector{"cavp_gcm_128_64", api::Algorithm::kAes128Gcm8, api::Integrity::kNone,
                 "03da36ff01156bc69ef862b6ab797db0", "", "83a9ae8af0ced78058e2c235",
                 "fc8ebec58d67f769c8b0948896f510ed", "f0ced78058e2c235",
                 "d093d2cbff629a0dd6a597b4b6125a44dd771103f79201575e6df535790c2f8c29cce5c090f055354a2f0b4f028"
                 "9657f851097",
                 "be4d0ebacf3a45f4ff71c58d8c2515044d0cf4154db8c635c830e016c44ce498bedfeaaf0c87c83adc08065d7d3"
                 "231a657641a",
                 "497f06fa6d7ebdea"},
    CryptoVector{"cavp_gmac_128_160", api::Algorithm::kAes128Gmac, api::Integrity::kNone,
                 "2fb45e5b8f993a2bfebc4b15b533e0b4", "", "5b05755f984d2b90f94b8027", "e85491b2202caf1d",
                 "7dce03b97e09331c", "32473941", "32473941", "c75b7832b2a2d9bd827412b6ef5769db"},
    CryptoVector{"cavp_gmac_128_384", api::Algorithm::kAes128Gmac, api::Integrity::kNone,
                 "99e3e8793e686e571d8285c564f75e2b", "", "c2dd0ab868da6aa8ad9c0d23", "b668e42d4e444ca8",
                 "b23cfdd95a9fedd5", "178aa521144890b093733cf5cf22526c5917ee476541809ac6867a8c399309fc",
                 "178aa521144890b093733cf5cf22526c5917ee476541809ac6867a8c399309fc",
                 "3f4fba100eaf1f34b0baadaae9995d85"},
    CryptoVector{"cavp_gmac_128_720", api::Algorithm::kAes128Gmac, api::Integrity::kNone,
                 "20b5b6b854e187b058a84d57bc1538b6", "", "94c1935afc061cbf254b936f", "ca418e71dbf81003",
                 "8174eaa3719b3fcb",
                 "80531c7110ad9192d105eeaafa15b819ac005668752b344ed1b22faf77048baf03dbddb3b47d6b00e95c4f005e0"
                 "cc9b7627ccafd3f21b3312aa8d91d3fa0893fe5bff7d44ca46f23afe0",
                 "80531c7110ad9192d105eeaafa15b819ac005668752b344ed1b22faf77048baf03dbddb3b47d6b00e95c4f005e0"
                 "cc9b7627ccafd3f21b3312aa8d91d3fa0893fe5bff7d44ca46f23afe0",
                 "b37286ebaf4a54e0ffc2a1deafc9f6db"},
    CryptoVector{"cavp_gcm_192_128", api::Algorithm::kAes192Gcm16, api::Integrity::kNone,
                 "a4c3933b52f82bd5da1e61a6f5bcc3af935d163099327a4d", "", "15f23f33cfb1435a26393e70",
                 "b71089bef951b6a411748eec346beeeb", "cfb1435a26393e70",
                 "53b155426e5d8a322e3f973b4bd4123d2da0be6d64c8ee605e81db52dc0ae908ce4c9fc321750c99e6cedc82c5f"
                 "f5f1d0d3ed9",
                 "663f2adbbf31c4c974943346cbfbc320790dbe837d6db659aa8b457f87d8cbd6fed05bf344be2803754bb1e1828"
                 "6c763d33880",
                 "289d9544080321ffd45be9431ed4adf6"},
    CryptoVector{"cavp_gcm_192_96", api::Algorithm::kAes192Gcm12, api::Integrity::kNone,
                 "9a1f5ab0144a084d18f2d5089451dbc277966dc77ddc2a7f", "", "bf6b4c46e8b957da0927531f",
                 "4c8c48a6b1f5d2b6625fd0abf34703fc", "e8b957da0927531f",
                 "a0ec017fc749f2f518d64ba11140222727cac83df90d80b0acaaf8972b28788c54e8de85d47e6860ad694444d54"
                 "69b4a072a75",
                 "caeef6314c8a915b635b0106b4c1566a5c2a870fe39a8d4c04b53c9a202f600cbbeb8f25906bf3f3360854fdec1"
                 "2a39cfbc1d5",
                 "bc33c321a963432e56eda0d4"},
    CryptoVector{"cavp_gcm_192_64", api::Algorithm::kAes192Gcm8, api::Integrity::kNone,
                 "0cef892b4e3a246218390c1976a222245c4ea5054de2420f", "", "93eeaf85cf800b792f801714",
                 "3b5446ef261fc567475d5edf7f74ec62", "cf800b792f801714",
                 "cf0f0dcbf2221773a54fd05be1ffc3cac92917b56bca98381f761f3fb6f2c881384b6d4c6330ed9ac2ab04ba6b4"
                 "7d55f878903",
                 "b1572bc3d5f17cb449a3192271a8b18b76bd0b8c084cd17449a389f948cc1c12d116d335d5c3fb2a292d39f80d9"
                 "5943c51df5b",
                 "5aa6a0c9ce42b11b"},
    CryptoVector{"cavp_gmac_192_160", api::Algorithm::kAes192Gmac, api::Integrity::kNone,
                 "093ef7551ebbff8eb0c0a8a4a62b198f0c2e838de10eeeee", "", "e656e93930ed5210ba3f0322",
                 "3da22dacfd11b21b", "0a713157f60aec0c", "d22f1add", "d22f1add",
                 "1b2d2764573e20ae640bf29d48e5fe05"},
    CryptoVector{"cavp_gmac_192_384", api::Algorithm::kAes192Gmac, api::Integrity::kNone,
                 "a83ac82554d5c3475d03514a9421c409ccad9bc44a5f8307", "", "38aa26f7b68dc674cae90b84",
                 "0397a714939f55c1", "8da013271348bd23",
                 "1e14d07f397ca0db20d3a77c42f3f41c25c64fd93bd3bd9fcd355a0bde4f1961",
                 "1e14d07f397ca0db20d3a77c42f3f41c25c64fd93bd3bd9fcd355a0bde4f1961",
                 "e48b36dc683f32dbae3b13c3adb1b789"},
    CryptoVector{"cavp_gmac_192_720", api::Algorithm::kAes192Gmac, api::Integrity::kNone,
                 "c25d347ffb5b7ba079be2279a0a7f220f19c74bb9c5a15b6", "", "b35f142182fea65c642368ed",
                 "1967a0bd80cf2c9c", "58e441e12cba788f",
                 "9c072177e1ce02f30d58ae981ab37eac452c0d9f1c5f3485d7b16ae09366821d23d44479d52ccc4acd8fa6f5b90"
                 "13845c629f69c612c9cbbcdca3bdf43855fa7c71bff458a7d4c019ad9",
                 "9c072177e1ce02f30d58ae981ab37eac452c0d9f1c5f3485d7b16ae09366821d23d44479d52ccc4acd8fa6f5b90"
                 "13845c629f69c612c9cbbcdca3bdf43855fa7c71bff458a7d4c019ad9",
                 "f5a0d64924aeab15a636c7ce4db52243"},
    CryptoVector{"cavp_gcm_256_128", api::Algorithm::kAes256Gcm16, api::Integrity::kNone,
                 "5fe01c4baf01cbe07796d5aaef6ec1f45193a98a223594ae4f0ef4952e82e330", "",
                 "bd587321566c7f1a5dd8652d", "9013617817dda947e135ee6dd3653382", "566c7f1a5dd8652d",
                 "881dc6c7a5d4509f3c4bd2daab08f165ddc204489aa8134562a4eac3d0bcad7965847b102733bb63d1e5c598ece"
                 "0c3e5dadddd",
                 "16e375b4973b339d3f746c1c5a568bc7526e909ddff1e19c95c94a6ccff210c9a4a40679de5760c396ac0e2ceb1"
                 "234f9f5fe26",
                 "abd3d26d65a6275f7a4f56b422acab49"},
    CryptoVector{"cavp_gcm_256_96", api::Algorithm::kAes256Gcm12, api::Integrity::kNone,
                 "96ac126b5b0ed0890b893657afa4c274ce300cb480cce961c27ddbc61e30783c", "",
                 "ee9e54a316ced1374a13ca2e", "396d0892aff3212995e8f564083a0972", "16ced1374a13ca2e",
                 "b4786d6bda2dd17690f5b0df362f539c54e7e1cd2cd0ac1f0acfaa51d673095729f88db1b6dd54be0b62d349e56"
                 "557aa4e4980",
                 "df5af7ef15164d9faf062ab23356f7c4313bb9b05612de9e051ec31af83d7ff9f34e51143dfd43ab84a38f89502"
                 "08653f1ff54",
                 "9516b2653b1b06562bfca914"},
    CryptoVector{"cavp_gcm_256_64", api::Algorithm::kAes256Gcm8, api::Integrity::kNone,
                 "c52c5f3aa3a3301b6b8fcc03629f2464032d2d1ed766624146714ad6ece8e994", "",
                 "1f4bba2b05ad0f2dce46ab20", "6fad3cdf28cc65708ba08f176199f76c", "05ad0f2dce46ab20",
                 "b4fde42f67406342e37ee3891594977c2d699de34231342221b93940a383aaa6e495d9b68976feb014b7484f8e1"
                 "4c4351981ce",
                 "8258878be1b9ef032b9084114df327b9ed3fe4844195142260b6fc6fd716f976c30b057853ead3bc6b6758da497"
                 "3c30a0139d6",
                 "4f56a34f2a472a10"},
    CryptoVector{"cavp_gmac_256_160", api::Algorithm::kAes256Gmac, api::Integrity::kNone,
                 "886cff5f3e6b8d0e1ad0a38fcdb26de97e8acbe79f6bed66959a598fa5047d65", "",
                 "3a8efa1cd74bbab5448f9945", "519fee519d25c7a3", "04d6c6aa1897ee1e", "b8c59655", "b8c59655",
                 "f6d47505ec96c98a42dc3ae719877b87"},
    CryptoVector{"cavp_gmac_256_384", api::Algorithm::kAes256Gmac, api::Integrity::kNone,
                 "f4069bb739d07d0cafdcbc609ca01597f985c43db63bbaaa0debbb04d384e49c", "",
                 "d25ff30fdc3d464fe173e805", "3e1449c4837f0892", "f9d55127c75c4b25",
                 "d69be334baf5f19394d2d8bb460cbf2120e14736d0f634aa792feca20e455f11",
                 "d69be334baf5f19394d2d8bb460cbf2120e14736d0f634aa792feca20e455f11",
                 "805ec2931c2181e5bfb74fa0a975f0cf"},
    CryptoVector{"cavp_gmac_256_720", api::Algorithm::kAes256Gmac, api::Integrity::kNone,
                 "03ccb7dbc7b8425465c2c3fc39ed0593929ffd02a45ff583bd89b79c6f646fe9", "",
                 "fd119985533bd5520b301d12", "98e68c10bf4b5ae6", "2d434928fc640514",
                 "7c6301417303ef3a703dcfd2c0c339a4d0a89bd29fe61fecf1066ab06d7a5c31a48ffbfed22f749b17e9bd0dc1c"
                 "6f8fbd6fd4587184db964d5456132106d782338c3f117ec05229b0899",
                 "7c6301417303ef3a703dcfd2c0c339a4d0a89bd29fe61fecf1066ab06d7a5c31a48ffbfed22f749b17e9bd0dc1c"
                 "6f8fbd6fd4587184db964d5456132106d782338c3f117ec05229b0899",
                 "cf54e7141349b66f248154427810c87a"},
    CryptoVector{"rfc7634", api::Algorithm::kChaCha20Poly1305, api::Integrity::kNone,
                 "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "",
                 "a0a1a2a31011121314151617", "0102030400000005", "1011121314151617",
                 "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101"
                 "112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204",
                 "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4"
                 "c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0",
                 "76aaa8266b7fb0f7b11b369907e1ad43"},
    CryptoVector{"rfc4868_sha256_1", api::Algorithm::kNull, api::Integrity::kHmacSha256_128, "",
                 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "4869205468657265",
                 "", "", "", "198a607eb44bfbc69903a0f1cf2bbdc5"},
    CryptoVector{"rfc4868_sha256_2", api::Algorithm::kNull, api::Integrity::kHmacSha256_128, "",
                 "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665", "", "7768617420646f20",
                 "", "79612077616e7420666f72206e6f7468696e673f", "79612077616e7420666f72206e6f7468696e673f",
                 "167f928588c5cc2eef8e3093caa0e87c"},
    CryptoVector{"rfc4868_sha256_3", api::Algorithm::kNull, api::Integrity::kHmacSha256_128, "",
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", "dddddddddddddddd",
                 "", "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
                 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
                 "cdcb1220d1ecccea91e53aba3092f962"},
    CryptoVector{"rfc4868_sha256_4", api::Algorithm::kNull, api::Integrity::kHmacSha256_128, "",
                 "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", "", "cdcdcdcdcdcdcdcd",
                 "", "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
                 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
                 "372efcf9b40b35c2115b1346903d2ef4"},
    CryptoVector{
        "rfc4868_sha384_1", api::Algorithm::kNull, api::Integrity::kHmacSha384_192, "",
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "", "4869205468657265", "", "", "", "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
    CryptoVector{
        "rfc4868_sha384_2", api::Algorithm::kNull, api::Integrity::kHmacSha384_192, "",
        "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665",
        "", "7768617420646f20", "", "79612077616e7420666f72206e6f7468696e673f",
        "79612077616e7420666f72206e6f7468696e673f", "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"},
    CryptoVector{
        "rfc4868_sha384_3", api::Algorithm::kNull, api::Integrity::kHmacSha384_192, "",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "", "dddddddddddddddd", "",
        "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
        "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
        "809f439be00274321d4a538652164b53554a508184a0c316"},
    CryptoVector{"rfc4868_sha512_1", api::Algorithm::kNull, api::Integrity::kHmacSha512_256, "",
                 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"
                 "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
                 "", "4869205468657265", "", "", "",
                 "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
    CryptoVector{"rfc4868_sha512_2", api::Algorithm::kNull, api::Integrity::kHmacSha512_256, "",
                 "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6"
                 "566654a6566654a6566654a6566654a656665",
                 "", "7768617420646f20", "", "79612077616e7420666f72206e6f7468696e673f",
                 "79612077616e7420666f72206e6f7468696e673f",
                 "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"},
    CryptoVector{"rfc4868_sha512_3", api::Algorithm::kNull, api::Integrity::kHmacSha512_256, "",
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 "", "dddddddddddddddd", "",
                 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
                 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
                 "2ee7acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8"},
    CryptoVector{"rfc4868_sha512_4", api::Algorithm::kNull, api::Integrity::kHmacSha512_256, "",
                 "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2"
                 "e2f303132333435363738393a3b3c3d3e3f40",
                 "", "cdcdcdcdcdcdcdcd", "",
                 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
                 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
                 "5e6688e5a3daec826ca32eaea224eff5e700628947470e13ad01302561bab108"},
    CryptoVector{"rfc2202_sha1_1", api::Algorithm::kNull, api::Integrity::kHmacSha1_96, "",
                 "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "4869205468657265", "", "", "",
                 "b617318655057264e28bc0b6"},
    CryptoVector{"rfc2202_sha1_3", api::Algorithm::kNull, api::Integrity::kHmacSha1_96, "",
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", "dddddddddddddddd", "",
                 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
                 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
                 "125d7342b9ac11cd91a39af4"},
};

}  // namespace sallyport::dataplane::testing
