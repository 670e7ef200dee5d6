"""The domains under which mailbox providers hand out addresses, and those of services that send mail for others.

Nobody else can publish records there.

It is a courtesy, not a defence (DNS decides who owns a name): whoever types gmail.com learns at once what to
type instead, rather than after three days of waiting.
"""

# Brands that own their name under nearly every suffix: yahoo.com, yahoo.co.jp, gmx.net, gmx.de …
BRANDS: frozenset[str] = frozenset(
    ("gmx", "googlemail", "hotmail", "laposte", "protonmail", "rocketmail", "yahoo", "yandex", "ymail")
)

_GLOBAL = """
    gmail.com outlook.com live.com msn.com passport.com windowslive.com
    icloud.com me.com mac.com aol.com aim.com netscape.net
    proton.me pm.me tutanota.com tutanota.de tutamail.com tuta.io tuta.com keemail.me
    fastmail.com fastmail.fm hey.com hushmail.com hush.com mailfence.com runbox.com posteo.de posteo.net
    mailbox.org disroot.org riseup.net startmail.com skiff.com duck.com mozmail.com
    zoho.com zohomail.com zohomail.eu zohomail.in mail.com email.com usa.com myself.com inbox.com lycos.com
    excite.com rediffmail.com mailinator.com guerrillamail.com yopmail.com
"""

_OUTLOOK_AND_LIVE = """
    outlook.at outlook.be outlook.cl outlook.co.id outlook.co.th outlook.com.ar outlook.com.au outlook.com.br
    outlook.com.gr outlook.com.tr outlook.com.vn outlook.cz outlook.de outlook.dk outlook.es outlook.fr
    outlook.hu outlook.ie outlook.in outlook.it outlook.jp outlook.kr outlook.lv outlook.my outlook.ph
    outlook.pt outlook.sa outlook.sg outlook.sk
    live.at live.be live.ca live.cl live.cn live.co.uk live.co.za live.com.ar live.com.au live.com.mx
    live.com.my live.com.pt live.com.sg live.de live.dk live.fi live.fr live.hk live.ie live.in live.it
    live.jp live.nl live.no live.ru live.se
"""

_BY_COUNTRY = """
    web.de freenet.de t-online.de magenta.de arcor.de mail.de email.de online.de vodafone.de kabelmail.de
    1und1.de bluewin.ch hispeed.ch sunrise.ch aon.at chello.at
    orange.fr wanadoo.fr free.fr sfr.fr neuf.fr bbox.fr numericable.fr
    libero.it virgilio.it tiscali.it alice.it tin.it tim.it aruba.it fastwebnet.it inwind.it iol.it
    terra.es telefonica.net movistar.es sapo.pt telenet.be skynet.be proximus.be
    ziggo.nl kpnmail.nl planet.nl home.nl xs4all.nl hetnet.nl telfort.nl casema.nl
    btinternet.com virginmedia.com ntlworld.com talktalk.net blueyonder.co.uk sky.com tiscali.co.uk eircom.net
    comcast.net verizon.net att.net sbcglobal.net bellsouth.net charter.net cox.net earthlink.net juno.com
    netzero.net optonline.net roadrunner.com frontier.com frontiernet.net centurylink.net windstream.net
    suddenlink.net mindspring.com rogers.com shaw.ca telus.net sympatico.ca videotron.ca bell.net
    bigpond.com bigpond.net.au optusnet.com.au iinet.net.au tpg.com.au xtra.co.nz
    mail.ru bk.ru inbox.ru list.ru internet.ru rambler.ru lenta.ru ya.ru ukr.net i.ua meta.ua
    wp.pl o2.pl onet.pl op.pl interia.pl poczta.onet.pl poczta.fm gazeta.pl tlen.pl
    seznam.cz email.cz post.cz centrum.cz volny.cz azet.sk zoznam.sk centrum.sk
    freemail.hu citromail.hu abv.bg mail.bg telia.com telia.se bredband.net online.no broadpark.no
    mail.dk ofir.dk sonera.fi elisanet.fi kolumbus.fi otenet.gr mynet.com walla.com walla.co.il
    netvision.net.il
    qq.com foxmail.com 163.com 126.com 139.com 189.cn yeah.net vip.163.com vip.126.com sina.com sina.cn
    sohu.com
    tom.com 21cn.com aliyun.com wo.cn naver.com hanmail.net daum.net nate.com kakao.com
    docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp i.softbank.jp nifty.com biglobe.ne.jp ocn.ne.jp
    so-net.ne.jp
    hinet.net pchome.com.tw singnet.com.sg indiatimes.com sify.com
    uol.com.br bol.com.br terra.com.br ig.com.br globo.com globomail.com prodigy.net.mx fibertel.com.ar
    mweb.co.za telkomsa.net vodamail.co.za
"""

# Return paths, tracking and key names of sending services: a customer finds them in records, and types them by mistake.
_SENDING_SERVICES = """
    amazonses.com sendgrid.net sendgrid.com mailgun.org mailgun.net mailgun.com sparkpost.com sparkpostmail.com
    postmarkapp.com mtasv.net mandrillapp.com mailchimp.com mcsv.net mcdlv.net rsgsv.net mailjet.com brevo.com
    sendinblue.com sender-sib.com resend.com elasticemail.com smtp2go.com mailersend.net mailersend.com socketlabs.com
    exacttarget.com createsend.com cmail19.com cmail20.com klaviyomail.com hubspotemail.net onmicrosoft.com
"""

NAMES: frozenset[str] = frozenset(f"{_GLOBAL} {_SENDING_SERVICES} {_OUTLOOK_AND_LIVE} {_BY_COUNTRY}".split())
