package optout

import (
	"slices"
	"sync"
)

// requestPhrases are those of all locales, once somebody has written.
var requestPhrases = sync.OnceValue(func() []phrases { return slices.Concat(firstPhrases, asWritten(morePhrases)) })

// asWritten brings phrases that are written as people write them to the form in which
// they are compared. It is for the languages whose letters change by folding, as "й" does.
func asWritten(all []phrases) []phrases {
	for _, p := range all {
		for _, list := range [][]string{p.within, p.whole, p.unless} {
			for i, phrase := range list {
				list[i] = tokens(phrase)
			}
		}
	}
	return all
}

// morePhrases are those of the other locales, by the same rules.
var morePhrases = []phrases{
	{
		locale: "it",
		within: []string{
			"non scrivetemi più", "non mi scriva più", "non mi scrivete più", "non scrivermi più", "non contattatemi più", "non mi contatti più",
			"smettete di scrivermi", "smetta di scrivermi", "smettila di scrivermi", "smettete di mandarmi messaggi", "smettete di inviarmi messaggi",
			"non mandatemi più messaggi", "non inviatemi più messaggi", "non inviatemi più sms",
			"non voglio più ricevere messaggi", "non voglio più messaggi", "non desidero più ricevere messaggi", "basta messaggi per favore", "cancellate il mio numero",
		},
		whole:  []string{"basta messaggi", "basta sms", "niente più messaggi", "stop per favore", "disiscrivimi", "disiscrivetemi", "lasciatemi in pace"},
		unless: []string{"perché non mi scrivete", "perché non mi scriva", "come mai", "non smettete"},
	},
	{
		locale: "pt",
		within: []string{
			"não me escreva mais", "não me escrevam mais", "não me mande mais mensagens", "não me mandem mais mensagens", "não me envie mais mensagens", "não me enviem mais mensagens",
			"não me contacte mais", "não me contate mais", "pare de me mandar mensagens", "parem de me mandar mensagens", "parem de me enviar mensagens", "pare de me enviar mensagens",
			"parem de me escrever", "deixem de me enviar mensagens", "não quero mais receber mensagens", "não quero receber mais mensagens", "não quero mais mensagens",
			"apaguem o meu número", "retirem meu número da lista",
		},
		whole:  []string{"chega de mensagens", "sem mais mensagens", "parem por favor", "pare por favor", "descadastrar", "cancelar inscrição", "deixem me em paz"},
		unless: []string{"por que", "não parem", "não pare"},
	},
	{
		locale: "nl",
		within: []string{
			"stuur me geen berichten meer", "stuur mij geen berichten meer", "stuur me geen sms meer", "stuur me geen smsjes meer", "geen berichten meer sturen", "geen sms meer sturen",
			"wil geen berichten meer", "wil geen sms meer", "wil geen smsjes meer", "stop met berichten sturen", "stop met sms en", "stop met mij te sms en", "hou op met berichten sturen",
			"neem geen contact meer met me op", "neem geen contact meer met mij op", "schrijf me niet meer", "schrijf mij niet meer", "haal mij van de lijst", "haal me van de lijst",
			"verwijder mijn nummer",
		},
		whole:  []string{"geen berichten meer", "geen sms meer", "stop alsjeblieft", "stop aub", "afmelden", "afmelden aub", "uitschrijven", "laat me met rust"},
		unless: []string{"waarom", "als"},
	},
	{
		locale: "pl",
		within: []string{
			"proszę do mnie nie pisać", "nie piszcie do mnie więcej", "nie pisz do mnie więcej", "nie piszcie więcej do mnie", "przestańcie do mnie pisać", "przestań do mnie pisać",
			"przestańcie wysyłać mi wiadomości", "proszę nie wysyłać mi więcej wiadomości", "nie wysyłajcie mi więcej wiadomości", "nie wysyłajcie mi więcej sms",
			"nie chcę więcej wiadomości", "nie chcę więcej sms", "nie chcę otrzymywać wiadomości", "nie życzę sobie wiadomości", "proszę usunąć mój numer", "usuńcie mój numer",
		},
		whole:  []string{"proszę nie pisać", "koniec wiadomości", "wypisz mnie", "wypiszcie mnie", "proszę mnie wypisać", "dajcie mi spokój", "stop proszę"},
		unless: []string{"dlaczego", "czemu"},
	},
	{
		locale: "cs",
		within: []string{
			"přestaňte mi psát", "přestaňte mi posílat zprávy", "neposílejte mi další zprávy", "neposílejte mi už zprávy", "už mi nepište", "nepište mi", "nechci další zprávy",
			"nechci už žádné zprávy", "nepřeji si dostávat zprávy", "smažte moje číslo", "vymažte moje číslo",
		},
		whole:  []string{"už nepište", "žádné další zprávy", "odhlásit", "odhlaste mě", "stop prosím", "nechte mě být"},
		unless: []string{"proč", "nepište mi před"},
	},
	{
		locale: "sv",
		within: []string{
			"sluta skicka sms", "sluta skicka meddelanden", "sluta smsa mig", "sluta skriva till mig", "sluta kontakta mig", "skicka inte fler meddelanden", "skicka inga fler meddelanden",
			"skicka inga fler sms", "skicka inte fler sms", "vill inte ha fler meddelanden", "vill inte ha fler sms", "vill inte få fler meddelanden", "skriv inte till mig mer",
			"kontakta mig inte mer", "ta bort mitt nummer", "ta bort mig från listan",
		},
		whole:  []string{"inga fler meddelanden", "inga fler sms", "stopp tack", "avregistrera", "avregistrera mig", "lämna mig ifred"},
		unless: []string{"varför", "sluta inte"},
	},
	{
		locale: "da",
		within: []string{
			"stop med at skrive til mig", "stop med at sende mig beskeder", "stop med at sende beskeder", "stop med at sende sms", "send mig ikke flere beskeder", "send ikke flere beskeder",
			"send ikke flere sms", "vil ikke have flere beskeder", "vil ikke have flere sms", "ønsker ikke flere beskeder", "skriv ikke til mig mere", "kontakt mig ikke mere", "slet mit nummer",
		},
		whole:  []string{"ikke flere beskeder", "ikke flere sms", "stop tak", "afmeld", "afmeld mig", "lad mig være i fred"},
		unless: []string{"hvorfor"},
	},
	{
		locale: "nb",
		within: []string{
			"slutt å sende meg meldinger", "slutt å sende meldinger", "slutt å sende sms", "slutt å skrive til meg", "slutt å kontakte meg", "ikke send meg flere meldinger", "ikke send flere meldinger",
			"ikke send flere sms", "vil ikke ha flere meldinger", "ønsker ikke flere meldinger", "vil ikke ha flere sms", "ikke kontakt meg mer", "slett nummeret mitt",
		},
		whole:  []string{"ingen flere meldinger", "stopp takk", "meld meg av", "la meg være i fred"},
		unless: []string{"hvorfor", "ikke slutt"},
	},
	{
		locale: "fi",
		within: []string{
			"älkää lähettäkö minulle enää viestejä", "älkää lähettäkö enää viestejä", "älä lähetä enää viestejä", "lopettakaa viestien lähettäminen", "en halua enää viestejä",
			"en halua viestejä enää", "älkää ottako enää yhteyttä", "poistakaa numeroni",
		},
		whole:  []string{"ei enää viestejä", "lopettakaa", "stop kiitos", "jättäkää minut rauhaan"},
		unless: []string{"miksi", "älkää lopettako"},
	},
	{
		locale: "tr",
		within: []string{
			"bana mesaj atmayın", "bana artık mesaj atmayın", "artık mesaj atmayın", "ARTIK MESAJ ATMAYIN", "mesaj göndermeyin", "bana artık mesaj göndermeyin", "mesaj göndermeyi bırakın",
			"mesaj almak istemiyorum", "artık mesaj istemiyorum", "beni listeden çıkarın", "numaramı silin",
		},
		whole:  []string{"mesaj istemiyorum", "lütfen durun", "abonelikten çık", "üyelikten çık", "beni rahat bırakın"},
		unless: []string{"neden", "niye", "önce"},
	},
	{
		locale: "ru",
		within: []string{
			"не пишите мне больше", "больше не пишите мне", "больше мне не пишите", "перестаньте мне писать", "прекратите мне писать", "хватит мне писать", "не присылайте мне больше сообщений",
			"не присылайте больше сообщений", "не отправляйте мне больше сообщений", "больше не присылайте смс", "не хочу получать сообщения", "не хочу больше получать сообщения",
			"не желаю получать сообщения", "удалите мой номер", "отпишите меня",
		},
		whole:  []string{"не пишите мне", "больше не пишите", "отписаться", "отписка", "хватит сообщений", "оставьте меня в покое"},
		unless: []string{"почему", "зачем", "не отписывайте"},
	},
	{
		locale: "el",
		within: []string{
			"μη μου στέλνετε άλλα μηνύματα", "μην μου στέλνετε άλλα μηνύματα", "σταματήστε να μου στέλνετε μηνύματα", "σταματήστε να μου γράφετε", "μην μου ξαναγράψετε",
			"δεν θέλω άλλα μηνύματα", "δεν θέλω να λαμβάνω μηνύματα", "διαγράψτε τον αριθμό μου",
		},
		whole: []string{"όχι άλλα μηνύματα", "διακοπή", "διακοπή παρακαλώ", "αφήστε με ήσυχο", "αφήστε με ήσυχη"},
	},
	{
		locale: "ja", unspaced: true,
		within: []string{
			"メッセージを送らないで", "メッセージはもう送らないで", "もう送らないで", "もうメッセージはいりません", "もうメッセージは不要", "メッセージの送信を停止してください", "メッセージを止めてください",
			"配信を停止してください", "連絡しないでください", "もう連絡しないで",
		},
		whole:  []string{"配信停止", "停止", "解除", "送らないで", "もういりません"},
		unless: []string{"なぜ", "どうして"},
	},
	{
		locale: "zh", unspaced: true,
		within: []string{
			"不要再发短信", "不要再发消息", "不要再给我发", "别再发短信", "别再发消息", "别再给我发", "请停止发送", "停止给我发", "不想再收到短信", "不想再收到消息", "不想再收到你们的消息", "不要再联系我",
			"不要再發訊息", "不要再傳訊息", "請停止發送", "不想再收到訊息",
		},
		whole:  []string{"退订", "退訂", "取消订阅", "取消訂閱", "停止发送"},
		unless: []string{"为什么", "為什麼"},
	},
	{
		locale: "ko",
		within: []string{
			"문자 보내지 마세요", "메시지 보내지 마세요", "더 이상 보내지 마세요", "더이상 보내지 마세요", "연락하지 마세요", "문자 그만 보내세요", "메시지 그만 보내세요", "메시지를 받고 싶지 않습니다", "문자를 받고 싶지 않습니다",
		},
		whole:  []string{"수신거부", "수신 거부", "그만 보내세요", "문자 그만"},
		unless: []string{"왜"},
	},
	{
		locale: "ar",
		within: []string{
			"لا ترسلوا لي رسائل", "لا ترسل لي رسائل", "توقفوا عن إرسال الرسائل", "توقف عن إرسال الرسائل", "توقفوا عن مراسلتي", "لا أريد المزيد من الرسائل", "لا أريد استلام الرسائل", "احذفوا رقمي",
		},
		whole:  []string{"إلغاء الاشتراك", "الغاء الاشتراك", "إيقاف الرسائل", "لا مزيد من الرسائل"},
		unless: []string{"لماذا", "لا تتوقفوا"},
	},
}
